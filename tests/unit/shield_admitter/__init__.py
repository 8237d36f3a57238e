"""Unit tests of the admitter; nothing here opens a socket."""
