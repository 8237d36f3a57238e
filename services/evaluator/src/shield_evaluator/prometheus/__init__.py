"""Asking Prometheus: settings, the HTTP client, its answers, and observations made of them.

A vendor's dict stops here: what leaves this package are samples and observations.
"""
