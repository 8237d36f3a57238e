"""Options, exit codes and the reading of the decision, shared by the subcommands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_admitter.settings import AdmitterSettings
from shield_common import command_line
from shield_common.decision_feed import DecisionFeed
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore

if TYPE_CHECKING:
    from collections.abc import Callable
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
    settings: AdmitterSettings, *, now_ms: Callable[[], int]
) -> tuple[CachedDecision | None, str | None]:
    """Read the decision from Redis once, as an admitter does at its start.

    Returns:
        The decision, and the problem with Redis or with its content.
    """
    results: list[str] = []
    store = RedisStore(settings.redis, cluster=settings.cluster)
    feed = DecisionFeed(
        store,
        cluster=settings.cluster,
        limits=settings.policy().limits,
        refresh=settings.refresh,
        now_ms=now_ms,
        random=lambda: 0.0,
        on_document=lambda _source, result: results.append(result),
    )
    try:
        await feed.read()
    except StoreError as error:
        return None, f"Redis does not answer: {error}"
    finally:
        await store.close()
    if feed.cached is not None:
        return feed.cached, None
    if results == ["absent"]:
        return None, f"Redis holds no decision for cluster {settings.cluster}"
    return None, f"Redis holds no usable decision: {', '.join(results)}"
