"""The evaluator's pure core: from samples to a decision.

Belongs here: what an observation is, what moves a latch, what a tier decides and in which words.
May not go in: the network, clocks, logs, the environment, files, metrics. Time is an argument.
"""
