"""The evaluator: asks Prometheus, steps the latches, publishes the decision.

A single replica writes; a second one may stand by. What all services share is in
``shield_common``; nothing here may import the admitter.
"""
