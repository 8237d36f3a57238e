"""Memory for large bodies, and files for connections."""

import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shield_admitter.http.limits import (
    BODY_POOL,
    MAX_HEAD,
    OTHER_FILES,
    SMALL_BODY,
    BodyMemory,
    raise_open_file_limit,
    unsent_bytes,
)
from shield_common.config.types import Size

CHART = Path(__file__).parents[4] / "deploy/helm/etcd-shield/values.yaml"
MIB = 1024 * 1024
# docs/benchmarks.md: 55.5 MiB before the first request, rounded up.
IDLE_PROCESS = 60 * MIB
# Measured with 500 connections: 48 KiB after the handshake, 97 after 32 KB in one go, which TLS's
# own buffers grow by.
TLS = 100 * 1024


def test_a9_memory_is_reserved_until_the_pool_is_empty() -> None:
    memory = BodyMemory(10)
    assert [True, True, False] == [memory.reserve(size) for size in (4, 6, 1)]
    assert 10 == memory.used


def test_a9_returned_memory_is_reserved_again() -> None:
    memory = BodyMemory(10)
    memory.reserve(10)
    memory.release(4)
    assert [False, True] == [memory.reserve(size) for size in (5, 4)]


def test_all_connections_at_their_worst_fit_the_chart_s_memory_limit() -> None:
    values = yaml.safe_load(CHART.read_text())["admitter"]
    limit = Size.parse(values["resources"]["limits"]["memory"])
    max_body = Size.parse(values["config"]["max_body"])
    # Either a small body, or a head: its bytes and the headers in them.
    connection = max(SMALL_BODY, 2 * MAX_HEAD) + TLS
    # A growing body has an eighth in reserve, and one at a time may be copied to a new place.
    bodies = BODY_POOL * 9 // 8 + max_body
    assert limit >= IDLE_PROCESS + bodies + values["config"]["max_connections"] * connection


@pytest.mark.shows("trial S9")
@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(100, 200, 200 - OTHER_FILES), (100, 5000, 1000), (10, 10, 1)],
    ids=["lowered", "enough", "at least one"],
)
def test_the_soft_limit_of_files_becomes_the_hard_one(soft: int, hard: int, expected: int) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("the hard limit of open files is too low here")
    source = (
        "import resource\n"
        "from shield_admitter.http.limits import raise_open_file_limit\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "print(raise_open_file_limit(1000), *resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    child = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    assert [expected, hard, hard] == [int(word) for word in child.stdout.split()]


@pytest.mark.shows("trial S9")
@pytest.mark.parametrize(
    "error",
    [ValueError("not allowed to raise maximum limit"), PermissionError(1, "forbidden")],
    ids=["by the hard limit", "by a sandbox"],
)
def test_a_limit_of_files_that_may_not_be_raised_stays(error: Exception) -> None:
    def forbidden(_resource: int, _limits: tuple[int, int]) -> None:
        raise error

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    try:
        expected = max(1, soft - 1 - OTHER_FILES)
        assert expected == raise_open_file_limit(2**40, set_limit=forbidden)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.shows("trial S9")
def test_a_generous_limit_leaves_the_connections_alone() -> None:
    assert 1 == raise_open_file_limit(1)


def test_bytes_that_the_client_did_not_take_are_seen() -> None:
    client, server = socket.socketpair()
    with client, server:
        assert 0 == unsent_bytes(server)
        server.send(b"x" * 1000)
        assert 0 < unsent_bytes(server)
    assert 0 == unsent_bytes(None)


def test_a_closed_socket_has_nothing_unsent() -> None:
    closed = socket.socket()
    closed.close()
    assert 0 == unsent_bytes(closed)
