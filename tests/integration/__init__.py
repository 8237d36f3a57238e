"""Tests on real servers; every one belongs to its test's rig and lives on loopback."""
