"""Histories of an etcd, generated: the same seed gives the same samples on every machine.

They stand for what has gone wrong with etcd and with watching it. `library` lists them, each with
what a good shield makes of it; the tests hold the default configuration to that, and the pictures
of docs/tuning.md are drawn from them (`python -m tests.histories --help`).
"""
