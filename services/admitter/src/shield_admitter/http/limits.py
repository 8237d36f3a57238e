"""How much one client, and all clients together, may take: seconds, bytes and open files.

Every number states its unit and its reason. What happens when a limit is reached is decided where
it is checked: in `connection` for one client, in `server` for all of them.
"""

from __future__ import annotations

import array
import fcntl
import resource
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# Seconds for each state of a connection. The API server waits for an answer for
# `webhook.timeoutSeconds` (3 s in the chart): a later body is of no use to anybody. A body of 8 MiB
# takes 0.1 s within a cluster.
HANDSHAKE_SECONDS: Final = 5.0
HEAD_SECONDS: Final = 5.0
BODY_SECONDS: Final = 3.0
WRITE_SECONDS: Final = 8.0  # for a client to take the bytes of its answers
# Go's http.Transport, the API server's client, keeps idle connections for 90 s. The side that waits
# longer avoids the race in which a request is sent on a connection that was just closed.
IDLE_SECONDS: Final = 120.0
LINGER_SECONDS: Final = 2.0  # for a client to read why its request was rejected
CLOSE_SECONDS: Final = 3.0  # for the peer to confirm the end of TLS and TCP
TLS_SHUTDOWN_SECONDS: Final = 2.0  # of these, for TLS alone

MAX_HEAD: Final = 16 * 1024  # bytes; the API server sends some 300
# The API server sends 7, proxies some more. A kept header of 4 bytes takes 100.
MAX_HEADERS: Final = 100
# Go's clients write chunks of 4 KiB or more, so 8 MiB need 2,048. Each chunk costs a call.
MAX_CHUNKS: Final = 4096
# Bytes of sizes, extensions and trailer fields around a body's chunks. The parser keeps a trailer
# field until it is complete.
MAX_FRAMING: Final = 16 * MAX_CHUNKS
# Unsent bytes above which we stop reading from the client. An answer has 1 to 3 KiB.
WRITE_BUFFER: Final = 16 * 1024
# Bytes that TLS may add to an answer: 22 with TLS 1.3, up to 85 with the older ciphers.
TLS_OVERHEAD: Final = 100
# Plus or minus half, so that long-lived clients move on to new replicas, and not all at once.
REQUESTS_PER_CONNECTION: Final = 1000

SMALL_BODY: Final = 32 * 1024  # bytes; a typical review has 19 KB
BODY_STEP: Final = 256 * 1024  # bytes; nearly all reviews need one step at most
BODY_POOL: Final = 56 * 1024 * 1024  # bytes; seven bodies of 8 MiB


class BodyMemory:
    """Memory that all large bodies share.

    The first `SMALL_BODY` bytes of a body are not counted here: the number of connections bounds
    them. Beyond that a body reserves memory in steps as it arrives, so that a length which is only
    declared costs nothing. A body that gets no further step is rejected with 503.

    Attributes:
        used: reserved bytes.
    """

    def __init__(self, pool: int = BODY_POOL) -> None:
        self._pool = pool
        self.used = 0

    def reserve(self, size: int) -> bool:
        """Reserve bytes; return False if the pool does not have them."""
        if self.used + size > self._pool:
            return False
        self.used += size
        return True

    def release(self, size: int) -> None:
        """Return reserved bytes."""
        self.used -= size


def unsent_bytes(connected: socket.socket | None) -> int:
    """Return how many bytes the kernel still holds for a client; 0 where it does not say.

    asyncio reports only what it could not hand to the kernel, and for TLS not even all of that.

    Args:
        connected: a TCP socket, or None for a transport without one.
    """
    if connected is None:
        return 0
    count = array.array("i", [0])
    try:
        fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, count)  # SIOCOUTQ, see tcp(7)
    except (OSError, ValueError):  # closed in this moment, or a system without it
        return 0
    return count[0]


# Files besides connections: listeners, Redis, metrics, certificates, logs, the event loop.
OTHER_FILES: Final = 64


def raise_open_file_limit(
    max_connections: int,
    *,
    set_limit: Callable[[int, tuple[int, int]], None] = resource.setrlimit,
) -> int:
    """Raise the soft limit of open files to the hard one, or leave it where that is forbidden.

    A sandbox may forbid it (seccomp), and macOS sets no infinite limit.

    Args:
        max_connections: how many are wanted.
        set_limit: called with the resource and both limits.

    Returns:
        How many connections the process may have open: ``max_connections`` or fewer.
    """
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != hard:
        with suppress(OSError, ValueError):
            set_limit(resource.RLIMIT_NOFILE, (hard, hard))
            limit = hard
    if limit == resource.RLIM_INFINITY:
        return max_connections
    return max(1, min(max_connections, limit - OTHER_FILES))
