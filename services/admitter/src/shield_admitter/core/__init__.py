"""The admitter's pure core: from a review and the cached decision to a response.

Belongs here: decoding reviews, matching rules, freshness, the verdict, the response. May not go in:
HTTP, the network, clocks, randomness, logs, metrics. Time and random numbers are arguments.
"""
