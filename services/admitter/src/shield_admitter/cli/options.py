"""Options, exit codes and the reading of the decision, shared by the subcommands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_admitter.settings import AdmitterSettings
from shield_common import command_line
from shield_common.clock import now_ms
from shield_common.decision_feed import read_once
from shield_common.store.redis import RedisStore

if TYPE_CHECKING:
    from pathlib import Path

    from shield_common.decision_age import CachedDecision

_PROGRAM: Final = command_line.Program("shield-admitter")
fail = _PROGRAM.fail
EXIT_DENIED: Final = 3

config_option = command_line.config_option("/etc/etcd-shield/admitter.yaml")
output_option = command_line.output_option("text")


def load_settings(path: Path) -> AdmitterSettings:
    """Read the configuration; a bad one ends the process with one line and exit code 2."""
    return _PROGRAM.load(path, AdmitterSettings)


async def read_decision(
    settings: AdmitterSettings,
) -> tuple[CachedDecision | None, str | None]:
    """Read the decision from Redis once, as an admitter does at its start.

    Returns:
        The decision, and the problem with Redis or with its content.
    """
    store = RedisStore(settings.redis, cluster=settings.cluster)
    try:
        return await read_once(
            store, cluster=settings.cluster, limits=settings.freshness.limits(), now_ms=now_ms
        )
    finally:
        await store.close()
