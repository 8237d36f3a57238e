"""Running one of the evaluator's subcommands as an operator does."""

import asyncio
import json
import os
import pty
import signal
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from shield_evaluator.cli import main
from tests.rig.services import service_script

# Starting Python alone takes a second on a busy machine.
LIMIT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command left.

    Attributes:
        status: Exit status.
        out: Standard output.
        err: Standard error; also what was shown on the terminal, if it had one.
    """

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


async def run(*arguments: str | Path) -> Ended:
    """Run `shield-evaluator` with these arguments in this process, without a terminal."""
    result = await asyncio.to_thread(CliRunner().invoke, main, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(status=result.exit_code, out=result.stdout, err=result.stderr)


async def interrupt(
    *arguments: str | Path, lines: int = 0, when: Awaitable[object] | None = None
) -> Ended:
    """Run it as a process of its own and send it what Ctrl-C sends.

    Args:
        arguments: As for `run`.
        lines: How many lines of output to wait for first.
        when: What to wait for first.
    """
    process = await asyncio.create_subprocess_exec(
        service_script("shield-evaluator"),
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        if when is not None:
            await when
        read = b""
        for _ in range(lines):
            read += await process.stdout.readline() if process.stdout is not None else b""
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    return Ended(status=process.returncode or 0, out=(read + out).decode(), err=err.decode())


async def shown_on_terminal(*arguments: str | Path) -> Ended:
    """Run it with a terminal as standard output."""
    terminal, side = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            service_script("shield-evaluator"),
            *map(str, arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=side,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(side)  # so that the end of the process is the end of what can be read
        async with asyncio.timeout(LIMIT_SECONDS):
            out, (_, err) = await asyncio.gather(
                asyncio.to_thread(_read_all, terminal), process.communicate()
            )
    finally:
        os.close(terminal)
    return Ended(status=process.returncode or 0, out=out.decode(), err=err.decode())


def _read_all(terminal: int) -> bytes:
    read = b""
    with suppress(OSError):  # how a terminal on Linux says that nobody writes to it any more
        while chunk := os.read(terminal, 4096):
            read += chunk
    return read


async def run_on_terminal(*arguments: str | Path, answer: str) -> Ended:
    """Run it with a terminal as standard input, and type an answer."""
    terminal, side = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            service_script("shield-evaluator"),
            *map(str, arguments),
            stdin=side,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        os.write(terminal, answer.encode())
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    finally:
        for end in (terminal, side):
            with suppress(OSError):
                os.close(end)
    return Ended(status=process.returncode or 0, out=out.decode(), err=err.decode())
