"""The demo in each mode, which measures how full a real etcd gets."""

import sys
from pathlib import Path

import pytest

from tests.rig.commands import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.usefixtures("assets", "helm")  # built where they are missing
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="with the shield etcd never fills up"),
        pytest.param(["--hold"], id="with holding nothing is lost either"),
        pytest.param(["--without-room"], id="latches alone let it fill up"),
        pytest.param(["--without-shield"], id="nothing keeps it from filling up"),
    ],
)
async def test_s1_b1_a_flood_of_runs_that_go_on_writing_fills_etcd_only_without_room(
    arguments: list[str],
) -> None:
    # A busy machine is slow, and that is not what is tested.
    command = (sys.executable, "-m", "tests.demo", "--plain", "--seconds=300", *arguments)

    demo = await run(*command, directory=ROOT, within=400)

    assert 0 == demo.status, demo.said
