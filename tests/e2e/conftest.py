"""One installation for all scenarios: a kube-apiserver takes too long to start for each.

Two processes run them (tox.ini), each with an installation of its own: they share nothing but the
machine.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.installation import CHART, RELEASE, START_SECONDS, USUAL, Installation, install
from tests.e2e.judge import CLOSED, DECISION, DENIED, PLACE, POLICY, RELENG, TEAM, VALUES, Judge
from tests.e2e.objects import namespace
from tests.rig.kubernetes import installed
from tests.rig.lifetime import Rig
from tests.rig.services import Controller

# The longest files first, so that two processes end at about the same time; in turn those that need
# the installation, for the process that has it, and those that do not.
_ORDER = (
    "demo", "policy_losses", "switching", "requests", "reopening", "commands", "interruptions",
    "release", "holding_off", "faults", "first_hour", "publication", "policy", "kubectl_shield",
    "filling", "helm_test",
)  # fmt: skip


@pytest.hookimpl(trylast=True)  # after the order of tests/conftest.py
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files of this directory, unless they are shuffled; one not listed comes last."""
    if config.getoption("--shuffle") is not None:
        return
    here = Path(__file__).parent
    places = {f"test_{name}.py": place for place, name in enumerate(_ORDER)}
    items.sort(
        key=lambda item: item.path.is_relative_to(here) and places.get(item.path.name, len(places))
    )


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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def release(installation: Installation) -> AsyncIterator[Judge]:
    await installation.api.apply(*(namespace(name) for name in (PLACE, TEAM, RELENG)))
    await installation.commands.helm(
        "install", RELEASE, str(CHART), f"--namespace={PLACE}", given=VALUES
    )
    yield Judge(installation)
    done = await installation.commands.helm_uninstall(RELEASE, f"--namespace={PLACE}")
    assert 0 == done.status, done.err
    assert HTTPStatus.NOT_FOUND == (await installation.api.get(POLICY)).status


@pytest_asyncio.fixture(loop_scope="session")
async def judge(release: Judge, shield: Installation) -> Judge:
    """The second release, denying all tiers but the critical one."""
    assert release.shield is shield
    await release.decide(CLOSED)
    await release.wait_for(DENIED, saying="standard is full")
    return release


@pytest_asyncio.fixture(loop_scope="session")
async def controller(judge: Judge, tmp_path: Path) -> AsyncIterator[Controller]:
    """A controller that mirrors the first release's decision for this one."""
    config = judge.shield.controller.config
    publish = {"kubernetes": True, "namespace": PLACE, "decision": "decision"}
    made = Controller(
        judge.shield.rig, {**config, "publish": publish},
        judge.shield.controller.kubeconfig, name=f"controller-{tmp_path.name}",
    )  # fmt: skip
    await made.start(within=START_SECONDS)
    yield made
    await made.stop(within=START_SECONDS)
    # What it wrote is not the tests' to change.
    await judge.api.delete(DECISION)
    await judge.shield.decide(USUAL, deny=False)
