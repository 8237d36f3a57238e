"""Settings that hold for all tests."""

import pytest
from hypothesis import HealthCheck, settings

# Nothing is timed here: a busy machine must not fail a property (CONTRIBUTING).
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start files with long tests first, so that none of them runs alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
