"""A rig whose programs run in namespaces of their own, as if on another machine.

Network, mounts, process ids, host name and IPC are apart from those of the machine that runs the
tests. Its ports are reached through `publish`. Nothing here knows what Kubernetes is.
"""

import asyncio
import socket
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.cluster import cgroups
from tests.rig.errors import RigError, ServerFailedError
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.process import Child

_FIRST_PROCESS = (sys.executable, "-I", str(Path(__file__).parent / "first_process.py"))
_T = TypeVar("_T")
_START_SECONDS = 30.0
# The kernel ends some hundred processes and unmounts what they had.
_END_SECONDS = 60.0
_UNSHARE = (
    "unshare", "--net", "--mount", "--pid", "--uts", "--ipc",
    "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip


class Machine(Rig):
    """Use it as `async with Machine() as machine:`; every `spawn` is inside.

    Args:
        first_process: What prepares the namespaces; it gets two more arguments.

    It has `control_group`, the name of a cgroup of its own, and everything that is `Rig`'s.
    """

    def __init__(self, *, first_process: Sequence[str] = _FIRST_PROCESS) -> None:
        super().__init__(prefix="etcd-shield-node-")
        self._first_process = first_process
        self._first: Child | None = None
        self._control: socket.socket | None = None
        self.control_group = ""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            self.control_group = self.directory.name
            cgroups.make(self.control_group)
            await self._open()
        except BaseException:
            await self.__aexit__(*sys.exc_info())
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # The first process ends when this side hangs up, and with it everything inside.
            if self._control is not None:
                self._control.close()
            if self._first is not None:
                await self._first.wait_ended(within=_END_SECONDS)
            cgroups.remove(self.control_group)
        finally:
            await super().__aexit__(kind, error, traceback)

    def spawn(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start a program inside the namespaces."""
        return super().spawn(name, [*self.entrance, *command], environment)

    @property
    def entrance(self) -> list[str]:
        """What goes before a command so that it runs inside.

        Raises:
            RigError: The machine is not up.
        """
        if self._first is None:
            raise RigError("the machine is not up: use `async with Machine() as machine:`")
        pid = self._first.pid
        # The first process itself is a child of this one, and its PID namespace is the children's.
        children = f"--pid=/proc/{pid}/ns/pid_for_children"
        return ["nsenter", f"--target={pid}", "--net", "--mount", "--uts", "--ipc", children, "--"]

    @property
    def stored(self) -> Path:
        """A directory in memory that exists inside alone."""
        return self.directory / "stored"

    async def publish(self, address: str, port: int, *, outside: int | None = None) -> int:
        """Forward a port of loopback to an address inside and return it.

        Args:
            address: An IPv4 address that is reached inside.
            port: A TCP port there.
            outside: The port on loopback; a free one by default.
        """
        assert self._control is not None
        outside = outside or self.ports.reserve()
        with socket.create_server((LOOPBACK, outside)) as listening:
            message = f"{address}:{port}".encode()
            socket.send_fds(self._control, [message], [listening.fileno()])
            await self._expect(b"listening")
        return outside

    async def _open(self) -> None:
        path = self.directory / "control"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(str(path))
            listening.listen(1)
            listening.settimeout(0)
            self.stored.mkdir()
            command = [*_UNSHARE, *self._first_process, str(self.stored), str(path)]
            self._first = super().spawn("first-process", command)
            accepting = asyncio.get_running_loop().sock_accept(listening)
            control, _ = await self._in_time(accepting)
        control.settimeout(0)
        self._control = control
        await self._expect(b"ready")

    async def _expect(self, word: bytes) -> None:
        assert self._control is not None
        receiving = asyncio.get_running_loop().sock_recv(self._control, 64)
        if word != await self._in_time(receiving):
            raise self._failure()

    async def _in_time(self, awaited: Coroutine[None, None, _T]) -> _T:
        """Await what the first process does, unless it ends or takes too long."""
        assert self._first is not None
        awaiting = asyncio.create_task(awaited)
        ending = asyncio.create_task(self._first.wait_ended(within=_START_SECONDS))
        try:
            await asyncio.wait({awaiting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not awaiting.done():
                raise self._failure()
            return awaiting.result()
        finally:
            awaiting.cancel()
            ending.cancel()
            await asyncio.gather(awaiting, ending, return_exceptions=True)

    def _failure(self) -> ServerFailedError:
        tail = self._first.log_tail() if self._first is not None else ""
        return ServerFailedError(f"the node's namespaces could not be prepared:\n{tail}")
