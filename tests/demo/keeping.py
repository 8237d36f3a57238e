"""`--keep`: everything stays up, and a person may ask the admitters and break the rest."""

import asyncio
import shlex
from pathlib import Path

from rich.console import Console

from tests.demo.holding.installation import Cluster
from tests.demo.installation import Installation
from tests.demo.observers import observe
from tests.demo.record import Mood, Record
from tests.demo.runs import review_of
from tests.demo.screen import bits_in_words
from tests.demo.views import View, shown
from tests.rig.lifetime import Rig
from tests.rig.services import Admitter, Evaluator, service_script

_LOOK_SECONDS = 0.2
_REVISION = "etcdctl get / -w json | sed 's/.*\"revision\":\\([0-9]*\\).*/\\1/'"
# No run of the flood has it, so that the review is of a new one.
_ANOTHER_RUN = 999_999


async def keep(rig: Rig, installation: Installation, record: Record, console: Console) -> None:
    """Say how to talk to what runs, and tell what ends or changes, until cancelled."""
    review = rig.directory / "review.json"
    review.write_bytes(review_of(_ANOTHER_RUN, record.plan.review_bytes))
    # As they are: a line that is to be copied may not be wrapped or coloured.
    console.print(
        _instructions(installation, review), soft_wrap=True, highlight=False, markup=False
    )
    async with asyncio.TaskGroup() as tasks, shown(record, console, View.EVENTS):
        tasks.create_task(observe(installation, record))
        await _tell_changes(installation, record)


async def _tell_changes(installation: Installation, record: Record) -> None:
    running = list(installation.servers)
    bits = record.bits
    while True:
        for server in [server for server in running if not server.alive]:
            running.remove(server)
            record.tell(f"{server.name} ended with status {server.child.exit_status}", Mood.BAD)
        if bits != record.bits:
            bits = record.bits
            record.tell(bits_in_words(record))
        await asyncio.sleep(_LOOK_SECONDS)


def _instructions(installation: Installation, review: Path) -> str:
    shield = installation.shield
    etcd = installation.etcd
    lines = ["", "Everything stays up until Ctrl-C. Processes:"]
    lines += [f"  {server.pid:>8}  {server.name}" for server in installation.servers]
    if shield is None:
        lines += ["etcd says what is wrong:", f"  curl --silent {etcd.url}/health"]
        return "\n".join(lines)
    if installation.cluster is not None:
        return "\n".join([*lines, *_cluster_instructions(installation.cluster)])
    admitter = shield.admitters[0]
    lines += [
        "What the evaluator sees and decides, for a browser and for a terminal:",
        f"  {shield.evaluator.metrics_url}/",
        f"  {_status(shield.evaluator)}",
        "Create one more run, as the API server asks for it:",
        f"  {_curl(installation, admitter, review)}",
        "Make room by hand, and see the shield open:",
        f"  export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={etcd.url}",
        "  etcdctl del --prefix /registry/",
        f"  etcdctl compact --physical $({_REVISION})",
        "  etcdctl defrag",
        "Then end the evaluator, or Redis, and create a run again: the admitters keep answering.",
        f"  kill {shield.evaluator.pid}",
        f"  kill {shield.redis.pid}",
        "",
    ]
    return "\n".join(lines)


def _cluster_instructions(cluster: Cluster) -> list[str]:
    controller = service_script(cluster.controller.script)
    files = ["--config", str(cluster.controller.config_file)]
    kubeconfig = str(cluster.server.kubeconfig)
    queue = shlex.join([controller, "queue", *files, "--kubeconfig", kubeconfig])
    return [
        "Talk to the API server, and see what is held:",
        f"  export KUBECONFIG={shlex.quote(kubeconfig)}",
        f"  {shlex.quote(str(cluster.server.assets / 'kubectl'))} get pipelineruns -A",
        f"  {queue} --output table",
        "",
    ]


def _curl(installation: Installation, admitter: Admitter, review: Path) -> str:
    ca_file = installation.authority.ca_file
    header = "'Content-Type: application/json'"
    return (
        f"curl --silent --cacert {shlex.quote(str(ca_file))} --header {header}"
        f" --data-binary {shlex.quote(f'@{review}')} --write-out '\\n' {admitter.url}"
    )


def _status(evaluator: Evaluator) -> str:
    command = service_script(evaluator.script)
    return shlex.join([command, "status", "--config", str(evaluator.config_file)])
