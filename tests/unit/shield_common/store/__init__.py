"""Unit tests of the store's names and settings; its verbs have a contract suite on real servers."""
