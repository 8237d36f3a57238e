"""The admitter's pure core: from a review's bytes and the held decision to an answer's bytes.

Belongs here: reading reviews, matching rules, freshness, the verdict, rendering. May not go in:
HTTP, the network, clocks, randomness, logs, metrics. Time and chance are arguments.
"""
