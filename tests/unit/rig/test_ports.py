"""Reservations of ports: none is given twice, and none is in use."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from tests.rig.ports import LOOPBACK, PortReservations


def test_a_reserved_port_is_given_to_no_other_rig_of_the_process() -> None:
    ours, theirs = PortReservations(), PortReservations()
    with contextlib.ExitStack() as ends:
        ends.callback(ours.release)
        ends.callback(theirs.release)
        ports = [rig.reserve() for _ in range(200) for rig in (ours, theirs)]
    assert len(ports) == len(set(ports))


# Reserves ports, prints them, and keeps them until its standard input ends.
RESERVING = """
import sys
from tests.rig.ports import PortReservations

reservations = PortReservations()
print(*(reservations.reserve() for _ in range(200)), flush=True)
sys.stdin.read()
"""
ROOT = Path(__file__).resolve().parents[3]


def test_a_reserved_port_is_given_to_no_other_process() -> None:
    with contextlib.ExitStack() as ends:
        others = [
            ends.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RESERVING],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        lines = [other.stdout.readline() for other in others if other.stdout is not None]
    ports = " ".join(lines).split()
    assert [3 * 200, 3 * 200] == [len(ports), len(set(ports))]


def test_a_server_can_listen_on_a_reserved_port() -> None:
    reservations = PortReservations()
    with contextlib.closing(socket.socket()) as server:
        server.bind((LOOPBACK, reservations.reserve()))
        server.listen(1)
    reservations.release()
