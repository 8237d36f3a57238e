"""The owner of everything that a test puts on the machine: one directory, ports and processes.

Everything ends with the `async with`, or at interpreter exit if its end is never reached.
"""

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from tests.rig.errors import RigError
from tests.rig.ports import PortReservations
from tests.rig.process import Child

# What would change how the servers behave if the developer's shell happens to set it.
_NOT_INHERITED = ("SHIELD_", "ETCD_", "ETCDCTL_")
# Short, because the servers' data is removed anyway.
_CLOSE_SECONDS = 2.0
# For any request to a server on loopback. A frozen server is noticed after this time.
_HTTP_SECONDS = 5.0


class Rig:
    """The owner of every file, port and process of one test or demo.

    Use it as `async with Rig() as rig:`. It has `directory` (removed at the end), `ports` and
    `http`, a client session for probes and admin calls.

    Args:
        prefix: How the directory's name begins.
    """

    def __init__(self, prefix: str = "etcd-shield-") -> None:
        self.ports = PortReservations()
        self._prefix = prefix
        self._children: list[Child] = []
        self._directory: Path | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def directory(self) -> Path:
        """Where every file of this rig lives; only this user can read it.

        Raises:
            RigError: The rig is not open.
        """
        if self._directory is None:
            raise RigError("the rig is not open: use `async with Rig() as rig:`")
        return self._directory

    @property
    def http(self) -> aiohttp.ClientSession:
        """A client for plain HTTP on loopback.

        Raises:
            RigError: The rig is not open.
        """
        if self._http is None:
            raise RigError("the rig is not open: use `async with Rig() as rig:`")
        return self._http

    async def __aenter__(self) -> Self:
        atexit.register(self.abandon)
        self._directory = Path(tempfile.mkdtemp(prefix=self._prefix))
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HTTP_SECONDS))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.stop_all()
        finally:
            # Also when the wait for orderly ends is itself interrupted.
            self.abandon()
            if self._http is not None:
                await self._http.close()
            atexit.unregister(self.abandon)

    def spawn(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start a program whose output goes to `<directory>/<name>.log`, and own it.

        Args:
            name: What messages and the log are called.
            command: The program's path and its arguments.
            environment: What is added to this process's variables.

        Raises:
            OSError: The program could not be started.
        """
        child = Child(
            name,
            command,
            log_file=self.directory / f"{name}.log",
            environment={**_inherited(), **(environment or {})},
            directory=self.directory,
        )
        self._children.append(child)
        return child

    async def stop_all(self, *, within: float = _CLOSE_SECONDS) -> None:
        """End all processes together, and kill those that still run after `within` seconds."""
        await asyncio.gather(*(child.stop(within=within) for child in self._children))

    def abandon(self) -> None:
        """Kill all processes and remove all files, without an event loop; safe to repeat."""
        for child in self._children:
            child.send(signal.SIGKILL)  # all of them, before any is waited for
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.kill()
        self._children.clear()
        self.ports.release()
        if self._directory is not None:
            with suppress(OSError):
                shutil.rmtree(self._directory)
            self._directory = None


def _inherited() -> Mapping[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
