"""Memory for large bodies: first come first served, bounded, and never a deadlock."""

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.http.budget import POOL, SMALL, BodyBudget, Share
from shield_admitter.http.head import MAX_HEAD
from shield_admitter.http.server import SCRATCH_BYTES
from shield_common.config.types import Size

CHART = Path(__file__).parents[4] / "deploy/helm/etcd-shield/values.yaml"
MIB = 1024 * 1024
# docs/benchmarks.md: 55.5 MiB before the first request, rounded up.
IDLE_PROCESS = 60 * MIB
# Measured with 500 connections: 48 KiB after the handshake, 97 after 32 KB in one go, which TLS's
# own buffers grow by.
TLS = 100 * 1024


def nothing() -> None:
    """Stand for a connection that does not care."""


def share(budget: BodyBudget) -> Share:
    return Share(budget, nothing)


def test_what_fits_is_granted_at_once() -> None:
    budget = BodyBudget(10, step=1)
    assert [True, True] == [share(budget).enlarge(5) for _ in range(2)]


def test_memory_is_set_aside_in_whole_steps() -> None:
    budget = BodyBudget(100, step=10)
    assert share(budget).enlarge(11)
    assert 20 == budget.used


def test_a_share_grows() -> None:
    budget = BodyBudget(10, step=1)
    one = share(budget)
    assert [True, True, True] == [one.enlarge(length) for length in (3, 5, 4)]
    assert 5 == budget.used


def test_the_first_that_does_not_fit_may_go_beyond_the_pool() -> None:
    budget = BodyBudget(10, step=1)
    first, second = share(budget), share(budget)
    assert [True, True] == [first.enlarge(8), second.enlarge(5)]
    assert second.enlarge(9)
    assert 17 == budget.used


def test_the_others_wait_for_memory() -> None:
    budget, calls = BodyBudget(10, step=1), []
    first, favourite = share(budget), share(budget)
    other = Share(budget, lambda: calls.append("other"))
    assert [True, True, False] == [first.enlarge(8), favourite.enlarge(5), other.enlarge(3)]
    favourite.release()
    assert (["other"], 3, 11) == (calls, other.held, budget.used)


def test_a_small_one_does_not_overtake() -> None:
    budget = BodyBudget(10, step=1)
    held, favourite, waiting, small = (share(budget) for _ in range(4))
    assert [True, True, False] == [held.enlarge(4), favourite.enlarge(7), waiting.enlarge(8)]
    held.release()
    assert not small.enlarge(1)


def test_who_gives_up_does_not_hold_up_the_line() -> None:
    budget = BodyBudget(10, step=1)
    first, favourite, second, third = (share(budget) for _ in range(4))
    for one in (first, favourite, second, third):
        one.enlarge(8)
    second.release()
    favourite.release()
    assert (0, 8, 16) == (second.held, third.held, budget.used)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 15)), max_size=60))
def test_whoever_waits_is_served_in_the_end_and_the_bound_holds(
    steps: list[tuple[int, int]],
) -> None:
    budget = BodyBudget(20, step=1)
    shares = [share(budget) for _ in range(8)]
    for number, length in steps:
        one = shares[number]
        if not length:
            one.release()
            one.wanted = 0
        elif one.held == one.wanted:
            one.enlarge(length)
        assert sum(one.held for one in shares) == budget.used
        assert budget.used <= 20 + 15
    while any(one.held for one in shares):
        done = next(one for one in shares if one.held and one.held == one.wanted)
        done.release()
        done.wanted = 0
    assert (0, []) == (budget.used, [one for one in shares if one.wanted])


def test_all_connections_at_their_worst_fit_the_chart_s_memory_limit() -> None:
    values = yaml.safe_load(CHART.read_text())["admitter"]
    limit = Size.parse(values["resources"]["limits"]["memory"])
    max_body = Size.parse(values["config"]["max_body"])
    # Either a small body, or a head and what arrived with it, which wait.
    connection = max(SMALL, MAX_HEAD + SCRATCH_BYTES) + TLS
    # The favourite, and the largest body's old half while it moves into twice the room.
    bodies = POOL + max_body + max_body // 2
    connections = values["config"]["max_connections"]
    assert limit >= IDLE_PROCESS + bodies + connections * connection
