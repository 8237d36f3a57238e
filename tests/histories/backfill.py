"""A past for a real Prometheus: its data directory is filled before it starts."""

from collections.abc import Iterable
from pathlib import Path

from tests.histories.etcd import Course
from tests.histories.samples import openmetrics
from tests.rig.commands import run
from tests.rig.errors import RigError
from tests.rig.server import program


async def backfill(course: Course, begin_seconds: int, data: Path) -> None:
    """Write a history's blocks with promtool.

    Args:
        course: Of an etcd.
        begin_seconds: When it began, Unix time.
        data: Prometheus' storage directory.

    Raises:
        RigError: promtool failed.
    """
    await write_blocks(openmetrics(course, begin_seconds), data)


async def write_blocks(lines: Iterable[str], data: Path) -> None:
    """Write lines of OpenMetrics as blocks with promtool.

    Raises:
        RigError: promtool failed.
    """
    text = data.with_name("past.openmetrics")
    with text.open("w") as file:
        file.writelines(lines)
    ended = await run(
        program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, data
    )
    text.unlink()
    if ended.status != 0:
        raise RigError(f"promtool could not write the past: {ended.err}")
