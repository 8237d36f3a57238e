"""Listening on the addresses that the machine has."""

import errno
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from shield_common.listen import listen
from tests.rig.ports import LOOPBACK

OpenSocket = Callable[[int, int, int], socket.socket]


class Unavailable(socket.socket):
    """A socket whose address the machine does not have."""

    def bind(self, _address: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def without_family(family: int) -> OpenSocket:
    """Return what opens sockets on a kernel without a family."""

    def open_socket(wanted: int, kind: int, protocol: int) -> socket.socket:
        if wanted == family:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return socket.socket(wanted, kind, protocol)

    return open_socket


def without_address(family: int) -> OpenSocket:
    """Return what opens sockets on a machine without an address of a family."""

    def open_socket(wanted: int, kind: int, protocol: int) -> socket.socket:
        return (Unavailable if wanted == family else socket.socket)(wanted, kind, protocol)

    return open_socket


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    yield sockets
    for one in sockets:
        one.close()


def families(sockets: list[socket.socket]) -> set[int]:
    return {one.family for one in sockets}


async def test_an_address_gets_one_socket(opened: list[socket.socket]) -> None:
    opened += await listen(f"{LOOPBACK}:0")
    (one,) = opened
    assert LOOPBACK == one.getsockname()[0]


@pytest.mark.shows("trial T10")
@pytest.mark.parametrize("host", ["", "localhost"])
@pytest.mark.parametrize("missing", [without_family, without_address])
async def test_a_machine_without_ipv6_listens_on_ipv4(
    opened: list[socket.socket], host: str, missing: Callable[[int], OpenSocket]
) -> None:
    opened += await listen(f"{host}:0", open_socket=missing(socket.AF_INET6))
    assert {socket.AF_INET} == families(opened)


@pytest.mark.shows("trial T10")
async def test_a_machine_without_ipv4_listens_on_ipv6(opened: list[socket.socket]) -> None:
    if not socket.has_dualstack_ipv6():
        with pytest.raises(OSError, match="cannot listen"):
            await listen(":0", open_socket=without_family(socket.AF_INET))
        return
    opened += await listen(":0", open_socket=without_family(socket.AF_INET))
    assert {socket.AF_INET6} == families(opened)


async def test_all_sockets_of_an_address_have_one_port(opened: list[socket.socket]) -> None:
    opened += await listen(":0")
    assert 1 == len({one.getsockname()[1] for one in opened})


@pytest.mark.shows("trial T10")
async def test_no_family_at_all_is_an_error_that_names_the_address() -> None:
    with pytest.raises(OSError, match=rf"cannot listen on {LOOPBACK}: Address family not"):
        await listen(f"{LOOPBACK}:0", open_socket=without_family(socket.AF_INET))


async def test_a_port_in_use_is_an_error(opened: list[socket.socket]) -> None:
    opened += await listen(f"{LOOPBACK}:0")
    port = opened[0].getsockname()[1]
    with pytest.raises(OSError, match=f"cannot listen on {LOOPBACK}:{port}") as raised:
        await listen(f"{LOOPBACK}:{port}")
    assert errno.EADDRINUSE == raised.value.errno


async def test_a_port_in_use_in_one_family_leaves_no_socket_open(
    opened: list[socket.socket],
) -> None:
    opened += await listen(f"{LOOPBACK}:0")
    port = opened[0].getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        await listen(f":{port}")
    opened.pop().close()
    opened += await listen(f":{port}")


async def test_a_host_that_does_not_resolve_is_an_error() -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the resolver's own words differ between systems
        await listen("no-such-host.invalid:0")


@pytest.mark.shows("trial T10")
async def test_two_colons_mean_all_addresses_of_all_families(opened: list[socket.socket]) -> None:
    opened += await listen("[::]:0", open_socket=without_family(socket.AF_INET6))
    assert {socket.AF_INET} == families(opened)
