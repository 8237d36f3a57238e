"""A service whose standard error is not read serves on, and ends when it is told to."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.services import service_script
from tests.rig.waiting import wait_until
from tests.unit.shield_evaluator.documents import minimal

pytestmark = pytest.mark.shows("trial S8")

PATIENCE = 30.0  # seconds; a start and an end on a busy machine


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """Return the writing end of a pipe that is full, so that every write blocks."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(writing, True)
    yield writing
    os.close(writing)
    os.close(reading)


def evaluator(rig: Rig, port: int) -> dict[str, Any]:
    return minimal() | {
        "redis": {"url": f"redis://{LOOPBACK}:{rig.ports.reserve()}/0"},
        "prometheus": {"urls": [f"http://{LOOPBACK}:{rig.ports.reserve()}"]},
        "metrics": {"listen": f"{LOOPBACK}:{port}"},
        "log": {"level": "debug"},
    }


def admitter(rig: Rig, port: int, directory: Path) -> dict[str, Any]:
    files = Authority(directory / "tls").server()
    return {
        "cluster": "rh01",
        "listen": f"{LOOPBACK}:{rig.ports.reserve()}",
        "tls": {"cert_file": str(files.cert_file), "key_file": str(files.key_file)},
        "redis": {"url": f"redis://{LOOPBACK}:{rig.ports.reserve()}/0"},
        "metrics": {"listen": f"{LOOPBACK}:{port}"},
        "log": {"level": "debug"},
        "drain": "0s",
    }


@pytest.mark.parametrize("name", ["shield-evaluator", "shield-admitter"])
async def test_a_service_lives_and_ends_although_its_standard_error_is_full(
    rig: Rig, tmp_path: Path, full_pipe: int, name: str
) -> None:
    port = rig.ports.reserve()
    document = evaluator(rig, port) if name == "shield-evaluator" else admitter(rig, port, tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    process = await asyncio.create_subprocess_exec(
        service_script(name), "run", "--config", str(path), stderr=full_pipe
    )
    try:

        async def alive() -> bool:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://{LOOPBACK}:{port}/livez") as response,
                ):
                    return 200 == response.status
            except aiohttp.ClientError:
                return False

        await wait_until(alive, within=PATIENCE, what="the service to live")
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert 0 == await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
