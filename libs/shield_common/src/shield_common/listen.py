"""Addresses to listen on: the setting, and sockets on the address families that there are.

A host name or an empty host stands for several addresses, often one of IPv4 and one of IPv6. A
kernel without IPv6 (``ipv6.disable=1``), or an interface without it, must not keep a service from
starting, so one address that works is enough.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.config.loader import SettingsStruct
from shield_common.config.types import parse_address

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG: Final = 1024  # connections that the kernel accepts while the loop is busy

# The family or address does not exist on this machine. Anything else, such as a port in use, is
# an error even if another family works: half of the clients would not reach the service.
_ABSENT: Final = frozenset(
    {
        errno.EAFNOSUPPORT,
        errno.EPFNOSUPPORT,
        errno.EPROTONOSUPPORT,
        errno.ESOCKTNOSUPPORT,
        errno.EADDRNOTAVAIL,
    }
)


class MetricsSettings(SettingsStruct, frozen=True, kw_only=True):
    """Where metrics and probes are served; the server is in `probes`, with its libraries.

    Attributes:
        listen: ``host:port``; plain HTTP.
    """

    listen: str = "0.0.0.0:9100"

    def __post_init__(self) -> None:
        """Refuse a value that is no address."""
        try:
            parse_address(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from error


async def listen(
    address: str, *, open_socket: Callable[[int, int, int], socket.socket] = socket.socket
) -> list[socket.socket]:
    """Open a non-blocking listening socket for each address that exists; at least one.

    Args:
        address: ``host:port``; an empty host and ``[::]`` mean all interfaces of all families, as
            in most servers. With port 0 every socket has the port that the kernel chose for the
            first one.
        open_socket: called with family, type and protocol.

    Raises:
        OSError: no address exists, one cannot be bound, or the host cannot be resolved.
    """
    host, port = parse_address(address)
    resolved = await asyncio.get_running_loop().getaddrinfo(
        None if host in {"", "::"} else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    absent: list[OSError] = []
    for family, kind, protocol, _, target in dict.fromkeys(resolved):
        if port == 0 and sockets:
            target = (target[0], sockets[0].getsockname()[1], *target[2:])  # noqa: PLW2901 - one port for all
        try:
            sockets.append(_bound(open_socket, (family, kind, protocol), target))
        except OSError as error:
            if error.errno not in _ABSENT:
                _close(sockets)
                raise OSError(error.errno, f"cannot listen on {address}: {error}") from error
            absent.append(OSError(error.errno, f"cannot listen on {target[0]}: {error.strerror}"))
    if not sockets:
        raise absent[0]
    for problem in absent:
        logs.get(__name__).warning(
            "address not available, listening on the others", problem=str(problem.strerror)
        )
    return sockets


def _bound(
    open_socket: Callable[[int, int, int], socket.socket],
    kind: tuple[int, int, int],
    target: tuple[object, ...],
) -> socket.socket:
    opened = open_socket(*kind)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind[0] == socket.AF_INET6:
            # IPv4 has a socket of its own; one for both would depend on a sysctl.
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setblocking(False)  # noqa: FBT003 - the standard library's signature
        opened.bind(target)
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _close(sockets: list[socket.socket]) -> None:
    for opened in sockets:
        opened.close()
