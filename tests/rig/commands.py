"""Commands that end by themselves, run as a person or a script runs them.

A server that keeps running is a `server.Server`.
"""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rig.errors import NotInTimeError

# For a command that takes seconds on an idle machine.
COMMAND_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The result of a command.

    Attributes:
        status: Exit status; negative for the signal that ended it.
        out: Standard output.
        err: Standard error.
    """

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that it printed, for messages."""
        return self.out + self.err


async def run(
    *command: str | Path,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    within: float = COMMAND_SECONDS,
) -> Ended:
    """Run a command and wait for its end; nothing of it is left when this returns or raises.

    Args:
        command: The program and its arguments.
        given: What it reads from its standard input.
        environment: All its variables; None for those of this process.
        directory: Where it runs; None for the directory of this process.
        within: Seconds after which it is killed.

    Raises:
        NotInTimeError: It was killed.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd=directory
    )
    try:
        async with asyncio.timeout(within):
            out, err = await process.communicate(given)
    except TimeoutError as error:
        raise NotInTimeError(f"{command[0]} did not end in {within:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(
        status=process.returncode,
        out=out.decode(errors="replace"),
        err=err.decode(errors="replace"),
    )
