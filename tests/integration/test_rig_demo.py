"""How the demo ends before its story is over; `make demo` itself covers the rest."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SECONDS = 60.0  # for what takes two on an idle machine


@asynccontextmanager
async def demo(*options: str, **environment: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.demo",
        "--without-shield",
        *options,
        stdout=PIPE,
        stderr=PIPE,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(process: Process, words: str) -> str:
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(SECONDS):
        while words not in text:
            line = await process.stdout.readline()
            assert line, f"the demo ended before it said {words!r}: {text}"
            text += line.decode()
    return text


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_the_demo_ends_its_processes_and_removes_its_files(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with demo(TMPDIR=str(tmp_path)) as process:
        text = await until(process, "the flood begins")
        assert not is_empty(tmp_path)
        process.send_signal(number)
        process.send_signal(number)  # the impatient press twice
        output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert (128 + number, b"") == (process.returncode, errors)
    assert f"Ended by {number.name}" in output.decode()
    etcd = int(re.findall(r"etcd is up \(pid (\d+)\)", text)[0])
    assert (False, True) == (is_running(etcd), is_empty(tmp_path))


async def test_a_server_that_dies_ends_the_demo_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with demo(TMPDIR=str(tmp_path)) as process:
        text = await until(process, "the flood begins")
        etcd = int(re.findall(r"etcd is up \(pid (\d+)\)", text)[0])
        os.kill(etcd, signal.SIGKILL)
        _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert 1 == process.returncode
    assert "demo: etcd ended with status -9:" in errors.decode()
    assert "Traceback" not in errors.decode()
    assert is_empty(tmp_path)


async def test_the_demo_names_a_missing_server_in_one_sentence(tmp_path: Path) -> None:
    async with demo(TMPDIR=str(tmp_path), PATH=str(tmp_path)) as process:
        _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert 1 == process.returncode
    assert "demo: etcd is not installed: run tools/install-servers\n" == errors.decode()
