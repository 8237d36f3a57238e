"""Options, exit codes and clients, shared by the subcommands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from shield_common import command_line
from shield_common.clock import now_ms
from shield_common.decision_age import freshness
from shield_common.decision_feed import read_once
from shield_common.store.redis import RedisStore
from shield_controller.kubernetes.client import SERVICE_ACCOUNT, KubernetesClient
from shield_controller.settings import ControllerSettings, KubernetesSettings

if TYPE_CHECKING:
    from shield_common.command_line import Program
    from shield_common.decision_age import CachedDecision

PROGRAM: Final[Program] = command_line.Program("shield-controller")
fail = PROGRAM.fail
say = PROGRAM.say

config_option = command_line.config_option("/etc/etcd-shield/controller.yaml")

kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(),
    help="Credentials.  [default: KUBECONFIG; in a pod its service account; else ~/.kube/config]",
)
context_option = click.option("--context", help="Context of the kubeconfig.")


def load_settings(path: Path) -> ControllerSettings:
    """Read the configuration; a bad one ends the process with one line and exit code 2."""
    return PROGRAM.load(path, ControllerSettings)


def operator_client(kubeconfig: str | None, context: str | None) -> KubernetesClient:
    """Return a client with the credentials of the person or pod that runs the command.

    Args:
        kubeconfig: a file; by default ``KUBECONFIG``, in a pod its service account, else
            ``~/.kube/config``.
        context: its context; by default the current one.
    """
    path = kubeconfig or os.environ.get("KUBECONFIG")
    in_cluster = path is None and (SERVICE_ACCOUNT / "token").exists()
    if path is None and not in_cluster:
        path = str(Path.home() / ".kube" / "config")
    return KubernetesClient(
        KubernetesSettings(kubeconfig=path, context=context), in_cluster=in_cluster
    )


async def read_decision(settings: ControllerSettings) -> tuple[CachedDecision | None, str | None]:
    """Read the decision from Redis once.

    Returns:
        The decision in force, and why there is none.
    """
    limits = settings.freshness.limits()
    store = RedisStore(settings.redis, cluster=settings.cluster)
    try:
        cached, problem = await read_once(
            store, cluster=settings.cluster, limits=limits, now_ms=now_ms
        )
    finally:
        await store.close()
    if cached is not None and not freshness(cached, limits, now_ms=now_ms()).in_force:
        return None, "the decision has expired"
    return cached, problem
