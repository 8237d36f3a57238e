"""Unit tests of the webhook's HTTP server: bytes in, bytes out."""
