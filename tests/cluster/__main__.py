"""`make cluster`: the tests on a node, or with --keep a node to play with."""

import argparse
import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import ability, building
from tests.cluster.images import ROOT
from tests.cluster.machine import Machine
from tests.cluster.node import start
from tests.cluster.objects import RELENG, TEAM, namespace
from tests.cluster.release import NAME, Release
from tests.e2e.objects import pipeline_run_definition
from tests.rig.errors import RigError
from tests.rig.kubernetes import installed
from tests.rig.old_version import missing_history


def main() -> int:
    """Do what the arguments say and return an exit code."""
    parser = argparse.ArgumentParser(
        prog="make cluster ARGS=…",
        description="A Kubernetes node in namespaces of its own, with the chart in pods.",
        epilog="Everything else goes to pytest.",
    )
    parser.add_argument("--keep", action="store_true", help="no tests; the node stays until Ctrl-C")
    parser.add_argument("--build", action="store_true", help="only build what is not cached")
    arguments, rest = parser.parse_known_args()
    if ability.main():
        return 1
    # The node is ended in order, also where a shell let Ctrl-C be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if arguments.keep:
            return _kept()
        # Before pytest, which gives a test minutes: what is not cached can take longer.
        asyncio.run(_build())
        if arguments.build:
            return 0
    except (RigError, subprocess.CalledProcessError) as error:
        print(f"make cluster: {error}", file=sys.stderr)
        return 1
    named = any(Path(argument.partition("::")[0]).exists() for argument in rest)
    # The first test waits for the node, which is no hang.
    options = ["--override-ini=faulthandler_timeout=300", *rest]
    return pytest.main(options if named else [*options, str(ROOT / "tests" / "cluster")])


async def _build() -> None:
    programs = building.programs()
    builder = building.builder()
    for name in ("kube-router", "tekton", "kueue"):
        installed(name)
    await building.images(builder, programs)
    if missing_history() is None:
        await building.old_images(builder)


def _kept() -> int:
    try:
        asyncio.run(_keep())
    except KeyboardInterrupt:
        print("Everything is ended.")
    return 0


async def _keep() -> None:
    print("Building what is not cached …", flush=True)
    programs = building.programs()
    images = asyncio.create_task(building.images(building.builder(), programs))
    await images
    async with Machine() as machine:
        print("Starting the node …", flush=True)
        node = await start(machine, programs, images)
        await node.api.apply(pipeline_run_definition(), namespace(TEAM), namespace(RELENG))
        print("Installing the chart …", flush=True)
        await Release(node=node).install()
        kubectl = programs.assets / "kubectl"
        print(_INSTRUCTIONS.format(node=node, kubectl=kubectl, helm=programs.helm, name=NAME))
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


_INSTRUCTIONS = """
The node is up, and stays until Ctrl-C. In another terminal of the same user:

  export KUBECONFIG={node.kubeconfig}
  alias kubectl={kubectl} helm={helm}
  kubectl -n {name} get pods
  kubectl -n {name} exec -it deploy/etcd-shield-evaluator -- shield-evaluator status

etcd and Prometheus, which scrapes it:

  {node.etcd.url}/metrics
  {node.prometheus.url}

docs/quickstart.md goes on from here."""


if __name__ == "__main__":
    sys.exit(main())
