"""Where the decision lives between the evaluator and the admitters.

Belongs here: the verbs, their Redis and memory implementations and the connection to Redis. No
policy: the store says what is there, or that nothing is; what absence means is the verdict's.
"""
