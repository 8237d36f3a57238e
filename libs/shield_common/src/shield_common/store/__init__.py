"""The store between the evaluator and the admitters: decisions, latches, lease, override, counts.

Belongs here: the operations, their implementation on Redis and the connection to Redis. No policy:
the store returns a document or None; what absence means is decided by the admitter's verdict.
"""
