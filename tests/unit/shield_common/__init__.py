"""Unit tests of what both services share; nothing here reaches the network."""
