"""The rig leaves nothing behind, however it ends."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.errors import NotInTimeError, PortTakenError, ProgramMissingError, ServerFailedError
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.process import Child
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.server import program
from tests.rig.waiting import wait_until

SECONDS = 10.0  # to wait for what takes some milliseconds on an idle machine
CHECKOUT = Path(__file__).parents[2]
SLEEPER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
# Opens a rig with one server, says which, and waits for its end.
OWNER = """
import asyncio
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer

async def main():
    async with Rig() as rig:
        redis = RedisServer(rig)
        await redis.start()
        print(redis.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def running(rig: Rig, name: str, script: str) -> Child:
    child = rig.spawn(name, [sys.executable, "-c", script])
    await wait_until(lambda: "up" in child.log_tail(), within=SECONDS, what=f"{name} to run")
    return child


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


async def test_the_end_of_a_rig_ends_its_processes_and_removes_its_files() -> None:
    async with Rig() as rig:
        directory = rig.directory
        children = [
            await running(rig, "sleeper", SLEEPER),
            await running(rig, "stubborn", STUBBORN),
        ]
    assert [-signal.SIGTERM, -signal.SIGKILL] == [child.exit_status for child in children]
    assert not directory.exists()


async def test_an_exception_ends_the_processes_of_a_rig() -> None:
    children = []

    async def broken_test() -> None:
        async with Rig() as rig:
            children.append(await running(rig, "sleeper", SLEEPER))
            raise KeyError

    with pytest.raises(KeyError):
        await broken_test()
    assert [-signal.SIGTERM] == [child.exit_status for child in children]


async def test_the_end_of_a_rig_ends_a_frozen_process() -> None:
    async with Rig() as rig:
        child = await running(rig, "sleeper", SLEEPER)
        child.freeze()
    assert -signal.SIGTERM == child.exit_status


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(
            signal.SIGKILL,
            id="kill -9",
            marks=pytest.mark.skipif(
                shutil.which("setpriv") is None, reason="only Linux ends the children of the killed"
            ),
        ),
    ],
)
async def test_no_server_outlives_the_process_of_its_rig(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", OWNER]
    owner = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment)
    assert owner.stdout is not None
    port = int(await owner.stdout.readline())
    assert is_listening(port)
    owner.send_signal(number)
    assert 0 != await owner.wait()
    await wait_until(lambda: not is_listening(port), within=SECONDS, what="redis to be gone")
    # After a `kill -9` no process is left to tidy up.
    assert (number != signal.SIGKILL) == is_empty(tmp_path)


async def test_a_server_that_does_not_start_shows_its_log(rig: Rig) -> None:
    server = RedisServer(rig, options=RedisOptions(lines=["no-such-directive yes"]))
    with pytest.raises(ServerFailedError, match="no-such-directive"):
        await server.start()


async def test_a_taken_port_is_exchanged_for_another(rig: Rig) -> None:
    server = RedisServer(rig)
    taken = server.port
    with socket.create_server((LOOPBACK, taken)):
        await server.start()
        assert server.port != taken
    assert await server.is_ready()


async def test_a_server_keeps_its_port_when_it_is_started_again(redis: RedisServer) -> None:
    port = redis.port
    redis.kill()
    with socket.create_server((LOOPBACK, port)), pytest.raises(PortTakenError):
        await redis.start()
    await redis.start()
    assert port == redis.port


async def test_a_frozen_server_does_not_answer_until_it_is_thawed(redis: RedisServer) -> None:
    redis.freeze()
    with pytest.raises(NotInTimeError):
        await wait_until(redis.is_ready, within=0.3, what="a frozen Redis")
    redis.thaw()
    await wait_until(redis.is_ready, within=SECONDS, what="Redis")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramMissingError, match="no-such-server is not installed: run tools/"):
        program("no-such-server")
