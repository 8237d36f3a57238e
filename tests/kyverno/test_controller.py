"""docs/examples/kyverno on Kyverno's own admission controller and a real API server."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.e2e.objects import namespace, pipeline_run, pipeline_run_definition
from tests.kyverno.controller import Kyverno
from tests.kyverno.decisions import NAME, NAMESPACE, RELENG, TEAM, mirrored
from tests.rig.apiserver import KubeApiServer
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes import installed
from tests.rig.kubernetes_api import KubernetesApi, Reply, collection_of
from tests.rig.lifetime import Rig
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "kyverno"
CONFIG_MAP = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
SECONDS = 120.0  # Kyverno registers its webhooks some seconds after a policy was created
CREATED = HTTPStatus.CREATED
CLOSED = {"standard": False, "critical": True}
OPEN = {"standard": True, "critical": True}
REFUSED = "PipelineRun admission currently not allowed: etcd is full. Tier: standard."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kyverno() -> AsyncIterator[Kyverno]:
    async with Rig() as rig:
        etcd = EtcdServer(rig)
        await etcd.start()
        apiserver = KubeApiServer(rig, Path(installed("apiserver")), etcd)
        await apiserver.start(within=SECONDS)
        await apiserver.api.apply(
            pipeline_run_definition(), *(namespace(name) for name in (TEAM, RELENG, NAMESPACE))
        )
        made = Kyverno(rig, Path(installed("kyverno")), apiserver)
        await made.prepare()
        await made.start(within=SECONDS)
        yield made


@pytest.fixture(scope="module")
def api(kyverno: Kyverno) -> KubernetesApi:
    return kyverno.api


async def create(api: KubernetesApi, place: str = TEAM) -> Reply:
    return await api.create(pipeline_run(), namespace=place)


async def wait_refused(api: KubernetesApi) -> Reply:
    """Wait until a run of the standard tier is refused."""
    replies: list[Reply] = []

    async def refused() -> bool:
        replies.append(await create(api))
        return REFUSED in replies[-1].message

    await wait_until(refused, within=SECONDS, what="a refusal by Kyverno", every=0.5)
    return replies[-1]


async def wait_created(api: KubernetesApi) -> None:
    """Wait until a run of the standard tier is created."""

    async def created() -> bool:
        return CREATED == (await create(api)).status

    await wait_until(created, within=SECONDS, what="a creation to pass", every=0.5)


@pytest_asyncio.fixture(
    scope="module", loop_scope="session", params=["clusterpolicy", "validatingpolicy"]
)
async def policy(
    api: KubernetesApi, request: pytest.FixtureRequest
) -> AsyncIterator[dict[str, Any]]:
    """One of the examples."""
    thing = yaml.safe_load((EXAMPLES / f"{request.param}.yaml").read_text())
    await api.apply(thing)
    yield thing
    await api.delete(f"{collection_of(thing)}/{thing['metadata']['name']}")
    await wait_created(api)


@pytest_asyncio.fixture(loop_scope="session")
async def closed(api: KubernetesApi, policy: dict[str, Any]) -> None:
    """The policy refuses the standard tier."""
    assert policy
    await api.apply(mirrored(CLOSED, age=10))
    await wait_refused(api)


@pytest.mark.usefixtures("closed")
async def test_a_run_of_a_denied_tier_gets_400_with_the_reason(api: KubernetesApi) -> None:
    reply = await create(api)
    assert HTTPStatus.BAD_REQUEST == reply.status
    assert REFUSED in reply.message
    assert "denied the request" in reply.message


@pytest.mark.usefixtures("closed")
async def test_a_run_of_another_tier_is_created(api: KubernetesApi) -> None:
    assert CREATED == (await create(api, RELENG)).status


@pytest.mark.usefixtures("closed")
async def test_a_run_is_created_once_the_tier_is_open(api: KubernetesApi) -> None:
    await api.apply(mirrored(OPEN, age=10))
    await wait_created(api)


@pytest.mark.usefixtures("closed")
async def test_a_config_map_that_is_written_no_more_expires(api: KubernetesApi) -> None:
    await api.apply(mirrored(CLOSED, age=400))
    await wait_created(api)


@pytest.mark.usefixtures("closed")
async def test_without_the_config_map_runs_are_created(api: KubernetesApi) -> None:
    assert HTTPStatus.OK == (await api.delete(CONFIG_MAP)).status
    await wait_created(api)


@pytest.mark.usefixtures("closed")
async def test_while_kyverno_is_away_runs_are_created(kyverno: Kyverno) -> None:
    await kyverno.stop(within=SECONDS)
    try:
        assert CREATED == (await create(kyverno.api)).status
    finally:
        await kyverno.start(within=SECONDS)
    await wait_refused(kyverno.api)
