"""Unit tests of the HTTP edge: bytes in, bytes out."""
