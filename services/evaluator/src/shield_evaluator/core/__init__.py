"""The evaluator's pure core: from samples to a decision.

Belongs here: observations, latches, tier decisions and the sentences that explain them.
Does not belong here: network, clocks, logs, environment, files, metrics. Time is an argument.
"""
