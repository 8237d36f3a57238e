"""Free TCP ports on loopback, without a race between asking for one and listening on it.

A server program gets its port as an argument, so another process may take the port between the
choice of the number and the program's `bind`. Three things make that harmless, also among several
test processes:

- The rig holds the UDP port of the same number open while the number is reserved. UDP and TCP ports
  are separate, so this does not disturb the server, but the kernel gives that UDP port to no other
  rig on the machine, whichever process it is in.
- The numbers are below the ranges that Linux, macOS and the IANA use for outgoing connections, so
  no client gets one by accident.
- The rest shows as a failed `bind`, and `server.Server.start` tries again with other ports.
"""

import random
import socket
from contextlib import suppress

from tests.rig.errors import RigError

LOOPBACK = "127.0.0.1"

# Linux' range for outgoing connections begins at 32768, that of macOS and the IANA at 49152.
_FIRST, _LAST = 20_000, 32_000
_ATTEMPTS = 200


class PortReservations:
    """The port numbers of one rig, reserved until `release`."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def reserve(self) -> int:
        """Return a TCP port that nothing on this machine listens on.

        Raises:
            RigError: None was found.
        """
        for _ in range(_ATTEMPTS):
            port = random.randint(_FIRST, _LAST)
            twin = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                twin.bind((LOOPBACK, port))
            except OSError:
                twin.close()
                continue
            if _is_free(port):
                self._held.append(twin)
                return port
            twin.close()
        raise RigError(f"no free port between {_FIRST} and {_LAST} on {LOOPBACK}")

    def release(self) -> None:
        """End all reservations."""
        while self._held:
            with suppress(OSError):
                self._held.pop().close()


def _is_free(port: int) -> bool:
    # On every address, because a server on 0.0.0.0 would be in the way too. With SO_REUSEADDR, as
    # servers set it: connections in TIME_WAIT do not hinder them.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen(1)
        except OSError:
            return False
    return True
