"""A real Prometheus behind a password, which is rotated while the client lives (P5)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from shield_common.config.loader import convert
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.response import PrometheusError
from shield_evaluator.prometheus.settings import PrometheusSettings
from tests.rig.files import replace
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer

BUDGET = 5.0  # seconds; far more than loopback needs
USER = "shield"
# bcrypt at its lowest cost, the only form that Prometheus takes.
HASHES = {
    "first": "$2b$04$BtpNIKOjv7bNkQUW2ZCGOeGGtWKUrul8W67VVyaOJYjE1otMaPjQS",
    "second": "$2b$04$Xha4wkrzNjF6RUczE1l4UuESd1L8LKstbvwahIXivZRs.YzZ4aBZ2",
}


class GuardedPrometheus:
    """Lets in whoever knows its password; it reads its web configuration at every request."""

    def __init__(self, rig: Rig) -> None:
        self._web = rig.directory / "web.yml"
        self._web.write_text("")  # open until it has answered the rig, which knows no password
        arguments = [f"--web.config.file={self._web}"]
        self.server = PrometheusServer(rig, options=PrometheusOptions(arguments=arguments))

    def expect(self, password: str) -> None:
        replace(self._web, yaml.safe_dump({"basic_auth_users": {USER: HASHES[password]}}))


@pytest.fixture
async def guarded(rig: Rig) -> GuardedPrometheus:
    prometheus = GuardedPrometheus(rig)
    await prometheus.server.start()
    prometheus.expect("first")
    return prometheus


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("first\n")
    return path


@asynccontextmanager
async def client_of(
    guarded: GuardedPrometheus, password_file: Path
) -> AsyncIterator[PrometheusClient]:
    asked = {
        "urls": [guarded.server.url],
        "basic_auth": {"username": USER, "password_file": str(password_file)},
    }
    client = PrometheusClient(convert(asked, PrometheusSettings))
    try:
        yield client
    finally:
        await client.close()


async def test_p5_a_password_that_prometheus_refuses_is_unauthorized(
    guarded: GuardedPrometheus, password_file: Path
) -> None:
    async with client_of(guarded, password_file) as client:
        await client.query("vector(1)", budget=BUDGET)
        guarded.expect("second")
        with pytest.raises(PrometheusError) as refused:
            await client.query("vector(1)", budget=BUDGET)

    assert "unauthorized" == refused.value.kind


async def test_p5_a_rotated_password_is_used_from_the_next_query(
    guarded: GuardedPrometheus, password_file: Path
) -> None:
    async with client_of(guarded, password_file) as client:
        await client.query("vector(1)", budget=BUDGET)
        guarded.expect("second")
        password_file.write_text("second\n")
        answer = await client.query("vector(1)", budget=BUDGET)

    assert [1.0] == [sample.value for sample in answer.samples]
