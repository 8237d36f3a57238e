"""The admitter: answers the API server's webhook calls from the last decision.

Stateless, scaled horizontally; it never asks Prometheus, and no request waits for the network.
What all services share is in ``shield_common``; nothing here may import another service.
"""
