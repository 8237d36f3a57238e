"""The controller's pure core: which held runs there are, which may start now, and what to write.

May not go in: the network, clocks, logs, randomness, metrics. Time is an argument.
"""
