"""docs/quickstart.md: what is not kind's is run as it is written."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.images import ROOT
from tests.cluster.node import Programs
from tests.cluster.release import CHART, Release

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = ROOT / "docs" / "examples" / "quickstart"
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
# The override is taken up within an interval of the evaluator, and `exec` returns before that.
_SECONDS = 120


def sessions() -> Iterator[tuple[str, list[str]]]:
    """Yield each command of the page with the lines that it is said to print."""
    for block in re.findall(r"(?ms)^```console\n(.*?)^```$", PAGE):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, *lines = part.splitlines()
            yield command, lines


async def run(command: str, environment: dict[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_shell(
        command,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_SECONDS):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def printed(line: str, out: str) -> bool:
    """Whether `out` has the line; … stands for anything."""
    pattern = ".*".join(re.escape(piece) for piece in line.split("…"))
    return re.search(pattern, out, re.DOTALL) is not None


async def test_every_command_prints_what_the_page_shows(
    shield: Release, programs: Programs, tmp_path: Path
) -> None:
    path = [str(programs.assets), str(Path(programs.helm).parent), os.environ["PATH"]]
    environment = {
        "PATH": os.pathsep.join(path),
        "HOME": str(tmp_path),
        "KUBECONFIG": str(shield.node.kubeconfig),
    }
    found = list(sessions())
    assert 8 <= len(found)
    try:
        for command, lines in found:
            status, out = await run(command, environment)
            assert [] == [line for line in lines if not printed(line, out)], f"{command}\n{out}"
            refused = any("not allowed" in line for line in lines)
            assert refused == bool(status), f"{command}\n{out}"
    finally:
        clear = "kubectl -n etcd-shield exec deploy/etcd-shield-evaluator -- shield-evaluator"
        await run(f"{clear} override clear", environment)


async def test_the_chart_takes_the_values_of_the_page(shield: Release) -> None:
    values = yaml.safe_load((EXAMPLES / "values.yaml").read_text())
    options = ("--dry-run=server", f"--namespace={shield.name}")
    out = await shield.node.commands.helm("install", "kind", str(CHART), *options, given=values)
    assert "kind: Deployment" in out


@pytest.mark.parametrize("name", ["pipelineruns", "prometheus", "run"])
async def test_the_api_server_takes_the_manifests_of_the_page(shield: Release, name: str) -> None:
    things = list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()))
    for thing in things:
        # A namespace of a dry run is not there for what should be in it.
        metadata = thing["metadata"]
        if "namespace" in metadata:
            metadata["namespace"] = "default"
        done = await shield.node.commands.kubectl(
            "create" if "generateName" in metadata else "apply",
            "--dry-run=server", "--validate=strict", "-f", "-", given=thing,
        )  # fmt: skip
        assert 0 == done.status, done.err
