"""That nobody is handed a port that somebody uses."""

import contextlib
import socket

from tests.rig.ports import LOOPBACK, PortReservations


def test_no_number_is_handed_out_twice_while_it_is_held() -> None:
    ours, theirs = PortReservations(), PortReservations()
    with contextlib.ExitStack() as ends:
        ends.callback(ours.release)
        ends.callback(theirs.release)
        ports = [rig.reserve() for _ in range(200) for rig in (ours, theirs)]
    assert len(ports) == len(set(ports))


def test_a_server_can_listen_on_a_reserved_port() -> None:
    reservations = PortReservations()
    with contextlib.closing(socket.socket()) as server:
        server.bind((LOOPBACK, reservations.reserve()))
        server.listen(1)
    reservations.release()
