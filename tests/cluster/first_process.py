"""The first process of the node's namespaces: it prepares them, forwards ports, and reaps.

It is run as a script and needs the standard library alone. When it ends, the kernel ends every
other process of its PID namespace, and with the last of them mounts, links and firewall rules.

Its arguments are an empty directory, where it mounts what the node stores, and the path of a Unix
socket that it connects to. Each message there carries one listening TCP socket of the machine that
started the node, and says where connections are forwarded to. A socket stays in the network
namespace in which it was made, so a port of the machine leads into the node without any link
between the two. The node ends when the other side closes the Unix socket.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

NODE_NAME: Final = "node1"
NODE_ADDRESS: Final = "10.88.0.1"
_LINK: Final = "node0"
_CHUNK: Final = 64 * 1024
# Container tools write to places in these that no option changes.
_OVERLAID: Final = ("var", "etc", "opt", "usr/libexec")
# The kubelet sets these for the whole kernel, unless it finds the values that it wants.
KERNEL_SETTINGS: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# asyncio itself keeps no task alive.
_tasks: Final[set[asyncio.Task[None]]] = set()


def main() -> None:
    """Prepare the namespaces, and serve until the other side hangs up."""
    directory = Path(sys.argv[1])
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(sys.argv[2])
    socket.sethostname(NODE_NAME)
    _mount(directory)
    _hide_kernel_settings(directory / "settings")
    _connect()
    Path("/etc/resolv.conf").write_text("")  # the node's own, as /etc is an overlay by now
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{NODE_ADDRESS} {NODE_NAME}\n")
    control.send(b"ready")
    asyncio.run(_serve(control))


def _mount(directory: Path) -> None:
    _run("mount", "--make-rprivate", "/")
    # Memory: images are unpacked faster, and removing them takes no time at all.
    _run("mount", "-t", "tmpfs", "tmpfs", str(directory))
    for name in _OVERLAID:
        below = Path("/", name)
        if below.is_dir():
            upper, work = directory / "upper" / name, directory / "work" / name
            upper.mkdir(parents=True)
            work.mkdir(parents=True)
            options = f"lowerdir={below},upperdir={upper},workdir={work}"
            _run("mount", "-t", "overlay", "overlay", "-o", options, str(below))
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")


def _hide_kernel_settings(directory: Path) -> None:
    directory.mkdir()
    for number, (name, value) in enumerate(KERNEL_SETTINGS.items()):
        file = directory / str(number)
        file.write_text(f"{value}\n")
        _run("mount", "--bind", str(file), f"/proc/sys/{name}")


def _connect() -> None:
    # Without a default route the node does not even try to reach a Service's address, which
    # kube-proxy then translates. Both ends of the pair are here, so that nothing leaves.
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", _LINK, "type", "veth", "peer", "name", f"{_LINK}-peer")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", _LINK)
    _run("ip", "link", "set", _LINK, "up")
    _run("ip", "link", "set", f"{_LINK}-peer", "up")
    _run("ip", "route", "add", "default", "dev", _LINK)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


async def _serve(control: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    # Whoever loses its parent becomes a child of this process.
    loop.add_signal_handler(signal.SIGCHLD, _reap)
    control.settimeout(0)
    closed = loop.create_future()
    loop.add_reader(control, _receive, control, closed)
    await closed
    # Nobody is waited for: the end of this process ends all others.
    os._exit(0)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _receive(control: socket.socket, closed: asyncio.Future[None]) -> None:
    try:
        message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
    except OSError:
        message, descriptors = b"", []
    if not message:
        if not closed.done():
            closed.set_result(None)
        return
    address, _, port = message.decode().rpartition(":")
    listening = socket.socket(fileno=descriptors[0])
    _keep(asyncio.create_task(_listen(listening, address, int(port), control)))


def _keep(task: asyncio.Task[None]) -> None:
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _listen(
    listening: socket.socket, address: str, port: int, control: socket.socket
) -> None:
    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _keep(asyncio.create_task(_forward(reader, writer, address, port)))

    server = await asyncio.start_server(accepted, sock=listening)
    control.send(b"listening")
    await server.serve_forever()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, port: int
) -> None:
    try:
        other_reader, other_writer = await asyncio.open_connection(address, port)
    except OSError:
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))
    finally:
        other_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
