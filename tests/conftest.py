"""Settings that hold for all tests."""

import random

import pytest
from hypothesis import HealthCheck, settings

# Nothing is timed here: a busy machine must not fail a property (CONTRIBUTING). Every run tries the
# same examples, so that a failure belongs to the change at hand and repeats on another machine;
# `--hypothesis-profile=search` looks for new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("search"), derandomize=True)
settings.load_profile("repeat")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--shuffle``, which shows tests that depend on others."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run tests in a random order")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start files with long tests first, so that none of them runs alone at the end."""
    seed = config.getoption("--shuffle")
    if seed is not None:  # the same order in every worker
        random.Random(seed).shuffle(items)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
