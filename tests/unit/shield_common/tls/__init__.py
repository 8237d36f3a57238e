"""Unit tests of TLS and certificates."""
