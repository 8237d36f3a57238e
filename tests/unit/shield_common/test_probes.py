"""Metrics and probes, as Prometheus and the kubelet ask for them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter

from shield_common.config.types import parse_address
from shield_common.listen import MetricsSettings
from shield_common.probes import Readiness, probes_app


@dataclass
class Service:
    ready: bool = True
    checks: Mapping[str, str] = field(default_factory=dict)

    def readiness(self) -> Readiness:
        return Readiness(ready=self.ready, checks=self.checks)


Client = TestClient[web.Request, web.Application]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    registry = CollectorRegistry()
    Counter("cycles", "How many.", registry=registry).inc(3)
    app = probes_app(registry=registry, readiness=service.readiness)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_metrics_are_those_of_the_registry(client: Client) -> None:
    response = await client.get("/metrics")
    assert "cycles_total 3.0\n" in await response.text()


async def test_metrics_have_no_series_for_creation_times(client: Client) -> None:
    assert "_created" not in await (await client.get("/metrics")).text()


async def test_a_scraper_that_wants_openmetrics_gets_it(client: Client) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = await client.get("/metrics", headers=accept)
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await response.text()).endswith("# EOF\n")


@pytest.mark.shows("trial S4")
@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=abc",
        "application/openmetrics-text; version=1",
        "application/openmetrics-text; version=²",
        "application/openmetrics-text; version=1.0.0.0.0",
        "application/openmetrics-text; version=1.0.0; escaping=bogus",
        "application/openmetrics-text; version=99999999999999999999.0.0",
        "application/openmetrics-text; version=2.0.0; version=é",
        "text/plain; version=abc",
        "text/plain; version=1.0.0; escaping=",
        ";;,;=,",
        "x" * 8000,
    ],
)
async def test_any_accept_header_gets_metrics(client: Client, accept: str) -> None:
    response = await client.get("/metrics", headers={"Accept": accept})
    assert 200 == response.status
    assert "cycles_total 3.0\n" in await response.text()


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_readiness_is_the_services_own_answer(
    client: Client, service: Service, path: str, ready: bool, status: int
) -> None:
    service.ready, service.checks = ready, {"redis": "ok"}
    response = await client.get(path)
    assert (status, {"ready": ready, "checks": {"redis": "ok"}}) == (
        response.status,
        await response.json(),
    )


async def test_a_service_that_is_not_ready_is_still_alive(client: Client, service: Service) -> None:
    service.ready = False
    assert 200 == (await client.get("/livez")).status


async def test_anything_else_is_not_found(client: Client) -> None:
    assert 404 == (await client.get("/")).status


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:9100", ("10.0.0.1", 9100)),
        (":9100", ("", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert address == parse_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "9100", "host:", "host:http", "host:65536", "host:-1", "[::1:9100", "::1]:1", "a b:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"listen: .* is not host:port"):
        MetricsSettings(listen=text)
