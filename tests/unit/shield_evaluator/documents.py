"""Configuration files, as a person would write them."""

from typing import Any


def minimal() -> dict[str, Any]:
    """Return the least that an evaluator runs with."""
    return {
        "cluster": "rh01",
        "prometheus": {"urls": ["http://prometheus:9090"]},
        "signals": [{"name": "db-file", "query": "etcd_size / (etcd_quota > 0)"}],
        "tiers": {"standard": {"db-file": {"set": 0.9, "reset": 0.8}}},
        "redis": {"url": "redis://redis:6379/0"},
    }
