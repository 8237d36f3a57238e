"""A server program on loopback: started, awaited, ended, and started again.

A subclass says what to run and how to see that it is ready; `process` knows nothing of servers and
this module nothing of Redis, Prometheus or etcd.
"""

import asyncio
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path

from tests.rig.errors import PortTakenError, ProgramMissingError, ServerFailedError
from tests.rig.lifetime import Rig
from tests.rig.process import STOP_SECONDS, TAIL_LINES, Child
from tests.rig.waiting import wait_until

# A second or two on two busy cores. Generous, because a deadline that is not reached costs no time.
START_SECONDS = 60.0
# For one probe; then the process itself is checked again.
_PROBE_SECONDS = 2.0
# Starts with other ports, while another process has taken the server's port.
PORT_ATTEMPTS = 5


class Server(ABC):
    """A server that belongs to a rig.

    Its files are in `directory`, which survives `stop` and `kill`: a second `start` finds them, and
    listens on the same ports. Its ports may change until the first `start` has returned.
    `environment` is added to its variables at the next `start`.

    Args:
        rig: Owner of the process and its files.
        name: Name of its log, its directory and in messages; unique within the rig.
    """

    def __init__(self, rig: Rig, name: str) -> None:
        self.rig = rig
        self.environment: dict[str, str] = {}
        self.name = name
        self.directory = rig.directory / name
        self.directory.mkdir()
        self._child: Child | None = None
        self._has_run = False
        self.reserve_ports()

    @abstractmethod
    def reserve_ports(self) -> None:
        """Take the ports to listen on from `rig.ports`."""

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration files and return the program and its arguments."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it answers; False while connections are refused."""

    @property
    def child(self) -> Child:
        """The process of the last `start`.

        Raises:
            ServerFailedError: It was never started.
        """
        if self._child is None:
            raise ServerFailedError(f"{self.name} was not started")
        return self._child

    @property
    def pid(self) -> int:
        """The process id of the last `start`."""
        return self.child.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs (or is frozen)."""
        return self._child is not None and self._child.alive

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines that this run wrote."""
        return self.child.log_tail(lines)

    def launch(self) -> None:
        """Start the process without waiting until it is ready."""
        self._child = self.rig.spawn(self.name, self.command(), self.environment)

    async def start(self, *, within: float = START_SECONDS) -> None:
        """Start it and wait until it is ready.

        Raises:
            ProgramMissingError: It is not installed.
            ServerFailedError: It ended, or was not ready after `within` seconds.
        """
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.launch()
            try:
                await self.wait_ready(within=within)
            except PortTakenError:
                if self._has_run or attempt == PORT_ATTEMPTS:
                    raise
                self.reserve_ports()
            else:
                self._has_run = True
                return

    async def wait_ready(self, *, within: float = START_SECONDS) -> None:
        """Wait until it is ready.

        Raises:
            PortTakenError: It ended because its port is taken.
            ServerFailedError: It ended otherwise, or was not ready after `within` seconds.
        """

        async def ready_or_ended() -> bool:
            if not self.alive:
                return True
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    return await self.is_ready()
            except TimeoutError:  # another program has the port, and is silent
                return False

        try:
            await wait_until(ready_or_ended, within=within, what=f"{self.name} to be ready")
        except TimeoutError as error:
            raise ServerFailedError(self._last_words(f"not ready after {within:g} s")) from error
        if not self.alive:
            status = self.child.exit_status
            failure = PortTakenError if self._found_port_taken() else ServerFailedError
            raise failure(self._last_words(f"ended with status {status} before it was ready"))

    async def stop(self, *, within: float = STOP_SECONDS) -> int:
        """Send SIGTERM, and SIGKILL after `within` seconds; return the exit status."""
        return await self.child.stop(within=within)

    def kill(self) -> None:
        """End it at once with SIGKILL."""
        self.child.kill()

    def freeze(self) -> None:
        """Pause it with SIGSTOP; its connections stay open and get no answers."""
        self.child.freeze()

    def thaw(self) -> None:
        """Continue it after `freeze`."""
        self.child.thaw()

    def reload(self) -> None:
        """Write its configuration again and send SIGHUP."""
        self.command()
        self.child.send(signal.SIGHUP)

    def _found_port_taken(self) -> bool:
        return "address already in use" in self.log_tail().lower()

    def _last_words(self, what: str) -> str:
        tail = self.log_tail() or "(nothing)"
        return f"{self.name} {what}. Last lines of its log:\n{tail}"


async def start_all(*servers: Server, within: float = START_SECONDS) -> None:
    """Start servers at the same time and wait until all are ready.

    Raises:
        ProgramMissingError: One is not installed.
        ServerFailedError: One ended, or was not ready after `within` seconds.
    """
    starts = [asyncio.create_task(server.start(within=within)) for server in servers]
    try:
        await asyncio.gather(*starts)
    finally:
        # After a failure the others are not awaited any more; the rig ends their processes.
        for start in starts:
            start.cancel()
        await asyncio.gather(*starts, return_exceptions=True)


def program(name: str, hint: str = "run tools/install-servers") -> str:
    """Return the path of an installed program.

    Raises:
        ProgramMissingError: There is none on PATH, nor where Debian puts servers.
    """
    # /usr/sbin is where Debian keeps some servers, and not on every user's PATH.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ProgramMissingError(name, hint)
    return str(Path(found))
