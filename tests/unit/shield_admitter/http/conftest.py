"""A connection for each test."""

import pytest

from tests.unit.shield_admitter.http.exchange import Exchange


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()
