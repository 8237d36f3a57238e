"""Every command of the runbook, run as it stands, against real servers.

Blocks with kubectl are left out: no test of this suite has a cluster.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.observability.story import Stage, staged
from tests.rig.commands import run
from tests.unit.observability.runbook import Block, blocks

pytestmark = pytest.mark.long

COMMANDS = [block for block in blocks() if block.language == "sh"]


def name_of(block: Block) -> str:
    return f"{block.section or 'introduction'} {block.number}"


async def run_all() -> dict[str, tuple[int, str]]:
    """Return each block's exit status and output."""
    async with staged() as stage:
        environment = names(stage)
        return {name_of(block): await shell(block.text, environment) for block in COMMANDS}


async def shell(script: str, environment: Mapping[str, str]) -> tuple[int, str]:
    ended = await run("bash", "-euc", script, environment=environment)
    return ended.status, ended.said


def names(stage: Stage) -> dict[str, str]:
    """Return the names that the runbook's introduction explains."""
    beside = Path(sys.executable).parent
    admitter = stage.admitters[0]
    return {
        "PATH": f"{beside}:{os.environ['PATH']}",
        "HOME": str(stage.rig.directory),
        "USER": "operator",
        "ETCDCTL_API": "3",
        "ETCDCTL_ENDPOINTS": ",".join(member.url for member in stage.etcd.members),
        "EVALUATOR": stage.evaluator.metrics_url,
        "ADMITTER": admitter.metrics_url,
        "WEBHOOK": admitter.url.removeprefix("https://").partition("/")[0],
        "PROMETHEUS": stage.prometheus.url,
        "REDIS": stage.evaluator.config["redis"]["url"],
        "CONFIG": str(stage.evaluator.config_file),
    }


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[int, str]]:
    return asyncio.run(run_all())


@pytest.mark.parametrize("block", COMMANDS, ids=name_of)
def test_every_command_of_the_runbook_works(
    outcomes: dict[str, tuple[int, str]], block: Block
) -> None:
    status, output = outcomes[name_of(block)]
    assert 0 == status, output


@pytest.mark.parametrize(
    ("block", "words"),
    [
        pytest.param("etcdshielddenyadmission 1", "db-in-use", id="signals are shown"),
        pytest.param("etcdshielddefragwouldhelp 1", "DB SIZE", id="etcd's sizes are shown"),
        pytest.param("etcdshieldcertificateexpiring 1", "notAfter=", id="the certificate's end"),
        pytest.param("break-glass 1", "release must finish", id="the override is shown"),
        pytest.param("compaction-and-defragmentation 1", "compacted revision", id="compaction"),
        pytest.param("compaction-and-defragmentation 2", "Finished defragmenting", id="defrag"),
    ],
)
def test_the_output_is_what_the_text_says(
    outcomes: dict[str, tuple[int, str]], block: str, words: str
) -> None:
    assert words in outcomes[block][1]
