"""One installation for all scenarios: a kube-apiserver takes too long to start for each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.installation import USUAL, Installation, install
from tests.rig.kubernetes import installed
from tests.rig.lifetime import Rig


@pytest.fixture(scope="session")
def assets() -> Path:
    return Path(installed("apiserver"))


@pytest.fixture(scope="session")
def helm() -> str:
    return installed("helm")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(assets: Path, helm: str) -> AsyncIterator[Installation]:
    async with Rig() as rig:
        made = await install(rig, assets=assets, helm=helm)
        try:
            yield made
        finally:
            await made.balancer.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def shield(installation: Installation) -> Installation:
    """The installation as every scenario finds it: everything runs and admits."""
    await installation.decide(USUAL, deny=False)
    return installation
