"""What the evaluator answers over HTTP between two cycles."""

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from shield_evaluator.status.board import Board
from tests.unit.shield_evaluator.plans import silent
from tests.unit.shield_evaluator.world import Node, World


def board_of(world: World, node: Node, config_problem: str | None = None) -> Board:
    """Return a board that has seen all of a node's reports so far."""
    board = Board(
        cycle=node.cycle,
        writer=node.writer,
        now=world.clock,
        config_problem=lambda: config_problem,
    )
    for result in node.results:
        board.record(result)
    return board


def body_of(response: web.Response) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode()


async def test_not_ready_before_the_first_cycle() -> None:
    world = World()
    readiness = board_of(world, world.evaluator()).readiness()
    assert (False, "not queried yet") == (readiness.ready, readiness.checks["prometheus"])


async def test_ready_after_the_first_publication() -> None:
    world = World()
    node = world.evaluator()
    await node.sees(0.5)
    assert board_of(world, node).readiness().ready


async def test_a_standby_is_ready() -> None:
    world = World()
    writer, standby = world.evaluator("one"), world.evaluator("two")
    await writer.sees(0.5)
    await standby.sees(0.5)
    readiness = board_of(world, standby).readiness()
    assert (True, "standby") == (readiness.ready, readiness.checks["lease"])


async def test_readiness_names_the_signals_without_a_value() -> None:
    world = World()
    node = world.evaluator()
    node.source.seen = {"db-file": silent()}
    await node.cycle.evaluate()
    assert "db-file: " in board_of(world, node).readiness().checks["prometheus"]


async def test_status_and_page_show_the_same_decision() -> None:
    world = World()
    node = world.evaluator()
    await node.sees(0.95)
    board = board_of(world, node)
    request = make_mocked_request("GET", "/")
    status = msgspec.json.decode(body_of(await board.handle_status(request)))
    page = body_of(await board.handle_page(request))
    sequence = status["decision"]["sequence"]
    assert f"epoch {status['epoch']}, sequence {sequence}" in page


async def test_status_shows_a_bad_configuration_file() -> None:
    world = World()
    board = board_of(world, world.evaluator(), "tiers: unknown key")
    assert "tiers: unknown key" == board.status()["config"]


async def test_a_change_of_a_tier_is_kept() -> None:
    world = World()
    node = world.evaluator()
    await node.sees(0.5)
    world.clock.step()
    await node.sees(0.95)
    changes = board_of(world, node).snapshot().changes
    assert [False] == [change.allow for change in changes]


@pytest.mark.parametrize(
    ("path", "refreshes"), [("/", True), ("/?refresh=off", False)], ids=["on", "off"]
)
async def test_the_reader_can_stop_the_refresh(path: str, *, refreshes: bool) -> None:
    world = World()
    board = board_of(world, world.evaluator())
    page = body_of(await board.handle_page(make_mocked_request("GET", path)))
    assert refreshes is ('http-equiv="refresh"' in page)
