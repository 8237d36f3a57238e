"""Fakes of the product's protocols, for tests that need no server.

A fake belongs here if the contract suite of its protocol runs on it as well as on the real
implementation; then what a test learns from it holds for the product.
"""
