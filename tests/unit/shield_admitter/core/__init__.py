"""Unit tests of the admitter's pure core."""
