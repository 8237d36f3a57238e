"""Unit tests of the rig and of the demo's judgements; nothing here starts a server."""
