"""The balancer that takes kube-proxy's place: which pods get connections."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import pytest

from tests.rig.balancer import Balancer
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.waiting import wait_until

if TYPE_CHECKING:
    from tests.rig.services import Admitter


class Pod:
    """A pod whose probes are answered as told, and then not any more."""

    alive = True

    def __init__(self, port: int, answers: list[bool]) -> None:
        self.port = port
        self.is_silent = False
        self._answers = answers

    async def is_ready(self) -> bool:
        if self._answers:
            return self._answers.pop(0)
        self.is_silent = True  # so the answers before were counted
        await asyncio.Event().wait()
        return False


async def _greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


async def _said(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    with contextlib.closing(writer):
        return await reader.read()


@pytest.mark.parametrize(
    ("threshold", "failures", "said"),
    [(3, 2, b"hello"), (3, 3, b""), (1, 1, b"")],
    ids=["fewer than the threshold", "as many as the threshold", "one by default"],
)
async def test_a_pod_loses_its_connections_after_failed_probes_in_a_row(
    threshold: int, failures: int, said: bytes
) -> None:
    async with Rig() as rig:
        port = rig.ports.reserve()
        pod = Pod(port, [True, *[False] * failures])
        server = await asyncio.start_server(_greet, LOOPBACK, port)
        balancer = Balancer(rig, [cast("Admitter", pod)], failure_threshold=threshold)
        await balancer.start()
        try:
            await wait_until(lambda: pod.is_silent, within=30, what="all probes")
            assert said == await _said(balancer.port)
        finally:
            await balancer.stop()
            server.close()
