"""``shield-controller check``: tests whether a controller could run with this configuration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from shield_common.clock import now_ms
from shield_common.command_line import Finding, finish_check, output_option, redis_findings
from shield_common.store.check import try_controller_operations
from shield_controller.cli.options import config_option, load_settings, read_decision
from shield_controller.kubernetes.access import needed_rights, try_rights
from shield_controller.kubernetes.client import KubernetesClient, own_namespace

if TYPE_CHECKING:
    from pathlib import Path

    from shield_controller.settings import ControllerSettings


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Check the file only, no server.")
@output_option("text")
def check(*, config: Path, offline: bool, output: str) -> None:
    """Check whether a controller could run with this configuration.

    Reads the decision from Redis, tries what else a controller does there, and asks the API server
    for each right that the configuration needs, with the credentials that the service would use.
    Nothing is changed.

    Exit codes: 0 it could run, 1 a check failed, 2 bad configuration or usage.
    """
    settings = load_settings(config)
    findings = [Finding("configuration", ok=True, says=str(config))]
    if not offline:
        findings += asyncio.run(_servers(settings))
    finish_check(findings, output)


async def _servers(settings: ControllerSettings) -> list[Finding]:
    return [await _decision(settings), *await _redis(settings), *await _rights(settings)]


async def _decision(settings: ControllerSettings) -> Finding:
    cached, problem = await read_decision(settings)
    if cached is None:
        return Finding("decision", ok=False, says=problem or "none")
    word = "admits" if cached.decision.allow else "denies"
    age = cached.age_ms(now_ms()) / 1000
    return Finding("decision", ok=True, says=f"{word}, {age:.0f} s old")


async def _redis(settings: ControllerSettings) -> list[Finding]:
    return redis_findings(await try_controller_operations(settings.redis, cluster=settings.cluster))


async def _rights(settings: ControllerSettings) -> list[Finding]:
    client = KubernetesClient(settings.kubernetes)
    namespace = own_namespace()
    try:
        results = await try_rights(client, needed_rights(settings, namespace=namespace))
    finally:
        await client.close()
    rights = [
        Finding(right, ok=problem is None, says=problem or "allowed")
        for right, problem in results.items()
    ]
    return [*namespace_findings(settings, own=namespace), *rights]


def namespace_findings(settings: ControllerSettings, *, own: str | None) -> list[Finding]:
    """Return a failure for each namespace that `run` would not know.

    Args:
        settings: the file.
        own: the pod's namespace; None outside of a cluster.
    """
    if own is not None:
        return []
    says = "not set, and this is no pod whose namespace could be used"
    return [Finding(key, ok=False, says=says) for key in settings.unset_namespaces]
