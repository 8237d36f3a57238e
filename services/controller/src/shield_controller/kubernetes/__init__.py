"""The API server: one client, and what the controller asks of it in the words of its domain.

Only `kubernetes.client` knows kubernetes_asyncio. What an answer means for a run or for the queue
is decided outside, in the core and in the loops.
"""
