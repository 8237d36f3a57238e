"""One engine, two images and one stack for all of the tests here."""

from collections.abc import Iterator

import pytest

from tests.compose.compose_file import read
from tests.compose.engine import Engine, EngineError
from tests.compose.standins import fill_wheelhouse, make_missing


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine, with every image that the stack needs; ours are built from this checkout."""
    try:
        engine = Engine()
    except EngineError as error:
        pytest.exit(f"tests/compose: {error}", returncode=1)
    if make_missing(engine):
        fill_wheelhouse()
        engine.environment["PIP_NO_INDEX"] = "1"
    engine.compose("build", "evaluator", "admitter")
    return engine


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Engine]:
    """The engine with the stack up and healthy; it is taken down again, volumes and all."""
    try:
        engine.compose("up", "--detach")
        yield engine
    finally:
        print(engine.compose("logs", "--no-color", "--tail=30", check=False))  # noqa: T201 - shown for a failure
        engine.compose("--profile", "demo", "down", "--volumes", "--remove-orphans", check=False)


@pytest.fixture(params=["evaluator", "admitter"])
def image(request: pytest.FixtureRequest, engine: Engine) -> str:  # noqa: ARG001 - it is built there
    """The name of one of our images."""
    return read().services[request.param].image
