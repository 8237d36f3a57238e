"""Unit tests of the settings loader."""
