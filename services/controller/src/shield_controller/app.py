"""The composition root: builds every part once and hands it on by keyword."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import time
from typing import TYPE_CHECKING

from shield_common import logs
from shield_common.clock import now_ms, utc_now
from shield_common.config.reload import SettingsReloader
from shield_common.decision_feed import DecisionFeed
from shield_common.filewatch import FileWatch
from shield_common.lifecycle import BackgroundTask, stop_signal
from shield_common.probes import ProbesServer, Readiness, probes_app
from shield_common.store.outage import OutageLog
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_controller.announcer import Announcer
from shield_controller.held_runs import HeldRuns
from shield_controller.kubernetes.client import KubernetesClient, own_namespace
from shield_controller.kubernetes.events import Events
from shield_controller.kubernetes.lease import Leadership
from shield_controller.kubernetes.pipelineruns import PipelineRuns
from shield_controller.kueue import ClusterQueues, StopPolicies
from shield_controller.metrics import Metrics
from shield_controller.mirror import Mirrors
from shield_controller.patching import RunPatches
from shield_controller.releaser import Releaser
from shield_controller.reporter import Reporter
from shield_controller.settings import RESTART_KEYS
from shield_controller.subscription import follow_while, refresh_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from pathlib import Path

    from shield_controller.settings import ControllerSettings


class NamespaceError(Exception):
    """A namespace is needed and neither set nor known; `run` logs it and exits with code 1."""


async def run(settings: ControllerSettings, config: Path, *, fingerprint: bytes) -> int:
    """Run the controller until SIGTERM or SIGINT.

    Args:
        settings: the content of the configuration file.
        config: the file, which is watched.
        fingerprint: its `shield_common.filewatch.fingerprint` from just before it was read.

    Returns:
        The exit code: 0 after a signal, 1 if it cannot do its work.
    """
    log = logs.get(__name__)
    stop = stop_signal()
    try:
        controller = Controller(settings, config, fingerprint=fingerprint)
        await controller.start()
    except (NamespaceError, OSError) as error:
        log.error("controller cannot run", problem=str(error))  # noqa: TRY400 - the problem says it all
        return 1
    log.info("controller started", cluster=settings.cluster)
    await stop.wait()
    await controller.stop()
    log.info("controller stopped")
    return 0


class Controller:
    """All parts of one controller, and the order in which they start and stop."""

    def __init__(self, settings: ControllerSettings, config: Path, *, fingerprint: bytes) -> None:
        """Build all parts; nothing is opened yet.

        Raises:
            NamespaceError: the namespace of a mirror or of the lease is not known.
        """
        self._settings = settings
        self._log = logs.get(__name__)
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._metrics = Metrics(settings)
        self._store = RedisStore(settings.redis, cluster=settings.cluster)
        self._client = KubernetesClient(settings.kubernetes, on_request=self._metrics.count_request)
        self._outage = OutageLog()
        self._feed = DecisionFeed(
            self._store,
            cluster=settings.cluster,
            limits=settings.freshness.limits(),
            refresh=refresh_seconds(settings),
            now_ms=now_ms,
            random=random.random,
            outage=self._outage,
            on_document=self._metrics.count_document,
            on_decision=self._metrics.create_tier_series,
        )
        self._leadership = self._build_leadership()
        self._build_queue()
        self._build_publication()
        self._metrics.read_from(
            feed=self._feed,
            is_leader=self._is_leader,
            is_watching=self._is_watching if settings.hold.enabled else None,
        )
        self._reloader = SettingsReloader(
            config,
            settings,
            restart_keys=RESTART_KEYS,
            environment=os.environ,
            apply_settings=self._apply_settings,
            on_result=self._metrics.count_config_reload,
        )
        self._watch = FileWatch([config], self._reloader.reload, last_seen=fingerprint)
        self._probes = ProbesServer(
            probes_app(registry=self._metrics.registry, readiness=self._readiness),
            listen=settings.metrics.listen,
        )
        self._tasks = [
            BackgroundTask(name, function, on_crash=self._metrics.count_crash)
            for name, function in self._functions().items()
        ]
        self._metrics.create_task_series(task.name for task in self._tasks)

    async def start(self) -> None:
        """Serve the probes, and begin to follow the decision and the held runs.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._probes.start()
        with contextlib.suppress(StoreError):  # `follow` keeps asking
            await self._feed.read()
        if self._leadership is not None:
            await self._leadership.renew()
        for task in self._tasks:
            await task.start()

    async def stop(self) -> None:
        """Stop acting, hand over the lease, and close everything."""
        for task in self._tasks:
            await task.stop()
        if self._leadership is not None:
            await self._leadership.release()
        await self._client.close()
        await self._store.close()
        await self._probes.stop()

    def _build_leadership(self) -> Leadership | None:
        election = self._settings.leader_election
        if not election.enabled:
            return None
        return Leadership(
            self._client,
            namespace=_namespace(election.namespace, "leader_election.namespace"),
            name=election.name,
            holder=self._holder,
            now_ms=now_ms,
        )

    def _build_queue(self) -> None:
        settings = self._settings
        events = Events(
            self._client,
            instance=self._holder,
            now_ms=now_ms,
            on_event=self._metrics.count_event,
        )
        self._announcer = Announcer(
            settings, events=events, feed=self._feed, is_leader=self._is_leader
        )
        runs = PipelineRuns(self._client, on_malformed=self._metrics.count_malformed)
        self._held = HeldRuns(
            runs,
            time=time.monotonic,
            random=random.random,
            on_held=self._announcer.offer,
            on_list=self._metrics.count_list,
        )
        self._releaser = Releaser(
            settings,
            held=self._held,
            patches=RunPatches(runs),
            feed=self._feed,
            events=events,
            now_ms=now_ms,
            server_now=lambda: self._client.now,
            own_now=utc_now,
            random=random.random,
            is_leader=self._is_leader,
            on_result=self._metrics.count_result,
        )
        self._reporter = Reporter(
            self._store,
            held=self._held,
            releaser=self._releaser,
            interval=settings.interval,
            server_now=lambda: self._client.now,
            is_leader=self._is_leader,
            decision_tiers=self._decision_tiers,
            outage=self._outage,
            on_report=self._metrics.show,
        )

    def _build_publication(self) -> None:
        settings = self._settings
        self._mirrors = (
            Mirrors(
                settings,
                client=self._client,
                feed=self._feed,
                namespace=_namespace(settings.publish.namespace, "publish.namespace"),
                now_ms=now_ms,
                is_leader=self._is_leader,
                on_result=self._metrics.count_mirror,
            )
            if settings.publish.has_mirrors
            else None
        )
        self._stop_policies = (
            StopPolicies(
                settings,
                queues=ClusterQueues(self._client),
                feed=self._feed,
                is_leader=self._is_leader,
                on_state=self._metrics.show_queue,
            )
            if settings.kueue.cluster_queues
            else None
        )

    def _functions(self) -> dict[str, Callable[[], Awaitable[None]]]:
        functions: dict[str, Callable[[], Awaitable[None]]] = {
            "refresh": self._feed.refresh,
            "configuration": self._watch.run,
        }
        if self._leadership is not None:
            functions["lease"] = self._leadership.run
        if self._settings.hold.enabled:
            functions |= {
                "follow": lambda: follow_while(self._is_leader, self._feed.follow),
                "held": self._held.follow,
                "announce": self._announcer.run,
                "release": self._releaser.run,
                "report": self._reporter.run,
            }
        if self._mirrors is not None:
            functions["mirror"] = self._mirrors.run
        if self._stop_policies is not None:
            functions["kueue"] = self._stop_policies.run
        return functions

    def _decision_tiers(self) -> Collection[str]:
        cached = self._feed.cached
        return () if cached is None else tuple(cached.decision.tiers)

    def _is_leader(self) -> bool:
        return self._leadership is None or self._leadership.is_leader

    def _is_watching(self) -> bool:
        return self._held.synced and self._held.problem is None

    def _readiness(self) -> Readiness:
        holds = self._settings.hold.enabled
        election = None if self._leadership is None else self._leadership.problem
        checks = {
            "redis": self._feed.problem or "ok",
            "decision": "none yet" if self._feed.cached is None else f"{self._feed.freshness}",
            "held runs": (self._held.problem or "ok") if holds else "not watched",
            "leader": election or ("yes" if self._is_leader() else "no, standing by"),
            "mirrors": (self._mirrors and self._mirrors.problem) or "ok",
            "kueue": (self._stop_policies and self._stop_policies.problem) or "ok",
            "config": self._reloader.problem or "ok",
        }
        return Readiness(ready=self._held.synced or not holds, checks=checks)

    def _apply_settings(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self._announcer.apply_settings(settings)
        self._releaser.apply_settings(settings)
        self._feed.apply_settings(settings.freshness.limits(), refresh_seconds(settings))
        logs.set_level(settings.log.level)


def _namespace(configured: str | None, key: str) -> str:
    namespace = configured or own_namespace()
    if namespace is None:
        raise NamespaceError(f"{key} is not set, and this is no pod whose namespace could be used")
    return namespace
