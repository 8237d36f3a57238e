"""Unit tests; they mirror the packages. A package here, so that none shadows what it tests."""
