"""Options, exit codes and clients, shared by the subcommands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shield_common import command_line
from shield_controller.kubernetes.client import SERVICE_ACCOUNT, KubernetesClient
from shield_controller.settings import ControllerSettings, KubernetesSettings

if TYPE_CHECKING:
    from shield_common.command_line import Program

PROGRAM: Final[Program] = command_line.Program("shield-controller")
fail = PROGRAM.fail
say = PROGRAM.say

config_option = command_line.config_option("/etc/etcd-shield/controller.yaml")


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
