"""The composition root: builds every part once and hands it on by keyword."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from typing import TYPE_CHECKING, Final

from shield_admitter.admission_counts import AdmissionCounts
from shield_admitter.core.pacing import Pacing
from shield_admitter.core.slots import Slots
from shield_admitter.denial_log import DenialLog
from shield_admitter.http.limits import raise_open_file_limit
from shield_admitter.http.server import Server
from shield_admitter.metrics import Metrics
from shield_admitter.settings import RESTART_KEYS
from shield_admitter.webhook import Webhook
from shield_common import logs
from shield_common.clock import now_ms
from shield_common.config.reload import SettingsReloader
from shield_common.decision_feed import DecisionFeed
from shield_common.filewatch import FileWatch
from shield_common.lifecycle import BackgroundTask, stop_signal
from shield_common.probes import ProbesServer, Readiness, probes_app
from shield_common.store.outage import OutageLog
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_common.tls.contexts import TLSError

if TYPE_CHECKING:
    from pathlib import Path

    from shield_admitter.settings import AdmitterSettings
    from shield_common.decision import Decision

# After draining: requests in flight take milliseconds, and the API server gives up after 30 s.
FINISH_SECONDS: Final = 5.0


async def run(settings: AdmitterSettings, config: Path, *, fingerprint: bytes) -> int:
    """Run the admitter until SIGTERM or SIGINT.

    Args:
        settings: the content of the configuration file.
        config: the file, which is watched.
        fingerprint: its `shield_common.filewatch.fingerprint` from just before it was read.

    Returns:
        The exit code: 0 after a signal, 1 if a certificate or an address cannot be used.
    """
    log = logs.get(__name__)
    stop = stop_signal()
    admitter = None
    try:
        admitter = Admitter(settings, config, fingerprint=fingerprint)
        await admitter.start()
    except (TLSError, OSError) as error:
        log.error("cannot serve", problem=str(error))  # noqa: TRY400 - the problem says it all
        if admitter is not None:
            await admitter.stop()
        return 1
    log.info("admitter started", cluster=settings.cluster, listen=settings.listen)
    await stop.wait()
    await admitter.drain()
    await admitter.stop()
    log.info("admitter stopped")
    return 0


class Admitter:
    """All parts of one admitter, and the order in which they start and stop."""

    def __init__(self, settings: AdmitterSettings, config: Path, *, fingerprint: bytes) -> None:
        """Build all parts; nothing is opened yet.

        Args:
            settings: the content of the configuration file.
            config: the file, which is watched.
            fingerprint: its digest from just before it was read.

        Raises:
            TLSError: the certificate cannot be used.
        """
        self._settings = settings
        self._log = logs.get(__name__)
        policy = settings.policy()
        self._metrics = Metrics(policy)
        certificate = settings.tls.load_certificate(on_reload=self._certificate_reloaded)
        self._store = RedisStore(settings.redis, cluster=settings.cluster)
        self._pacing = Pacing()
        self._slots = Slots()
        outage = OutageLog()
        self._counts = AdmissionCounts(
            self._store, random=random.random, outage=outage, on_flush=self._metrics.count_flush
        )
        self._feed = DecisionFeed(
            self._store,
            cluster=settings.cluster,
            limits=policy.limits,
            refresh=settings.refresh,
            now_ms=now_ms,
            random=random.random,
            on_document=self._metrics.count_document,
            on_decision=self._grant,
            outage=outage,
        )
        self._denial_log = DenialLog(now_ms=now_ms)
        self._grace_end_ms = now_ms() + settings.startup_grace.milliseconds
        self._webhook = Webhook(
            settings,
            feed=self._feed,
            pacing=self._pacing,
            slots=self._slots,
            counts=self._counts,
            can_answer=self._can_answer,
            metrics=self._metrics,
            denial_log=self._denial_log,
            now_ms=now_ms,
            unix_now=time.time,
            random=random.random,
        )
        self._server = Server(
            self._webhook,
            context=certificate.context,
            max_connections=self._max_connections(),
            time=asyncio.get_running_loop().time,
            random=random.random,
            call_soon=asyncio.get_running_loop().call_soon,
            client_names=settings.tls.client_names,
            on_handshake_failure=self._metrics.count_handshake_failure,
        )
        self._metrics.read_from(
            feed=self._feed, server=self._server, certificate=certificate, counts=self._counts
        )
        self._reloader = SettingsReloader(
            config,
            settings,
            restart_keys=RESTART_KEYS,
            environment=os.environ,
            apply_settings=self._apply_settings,
            on_result=self._metrics.count_config_reload,
        )
        self._config_watch = FileWatch([config], self._reloader.reload, last_seen=fingerprint)
        self._probes = ProbesServer(
            probes_app(registry=self._metrics.registry, readiness=self._readiness),
            listen=settings.metrics.listen,
        )
        self._is_listening = False
        self._tasks = [
            BackgroundTask(name, function, on_crash=self._metrics.count_crash)
            for name, function in {
                "follow": self._feed.follow,
                "refresh": self._feed.refresh,
                "certificate": certificate.watch,
                "configuration": self._config_watch.run,
                "denials": self._denial_log.run,
                "counts": self._counts.run,
            }.items()
        ]
        self._metrics.create_task_series(task.name for task in self._tasks)

    async def start(self) -> None:
        """Listen, and begin to follow decisions.

        Raises:
            OSError: an address cannot be bound.
        """
        await self._probes.start()
        # The first request finds a decision if there is one; otherwise `follow` keeps asking.
        # A failure is logged at the first try of `follow`, a moment later.
        with contextlib.suppress(StoreError):
            await self._feed.read()
        await self._server.start(self._settings.listen)
        self._is_listening = True
        for task in self._tasks:
            await task.start()

    async def drain(self) -> None:
        """Keep serving while clients move to other replicas."""
        self._log.info("draining", seconds=float(self._settings.drain))
        self._server.draining = True
        await asyncio.sleep(self._settings.drain)

    async def stop(self) -> None:
        """Finish what is in flight and close everything."""
        await self._server.stop(within=FINISH_SECONDS)
        for task in self._tasks:
            await task.stop()
        await self._counts.flush()
        await self._store.close()
        await self._probes.stop()

    def _grant(self, decision: Decision) -> None:
        self._pacing.grant(decision)
        self._slots.grant(decision, now_ms=now_ms(), unflushed=self._counts.unflushed_held())

    def _max_connections(self) -> int:
        configured = self._settings.max_connections
        possible = raise_open_file_limit(configured)
        if possible < configured:
            self._log.warning(
                "max_connections lowered: the limit of open files is too low",
                configured=configured,
                max_connections=possible,
            )
        return possible

    def _can_answer(self) -> bool:
        return self._feed.cached is not None or now_ms() >= self._grace_end_ms

    def _readiness(self) -> Readiness:
        draining = self._server.draining
        checks = {
            "redis": self._feed.problem or "ok",
            "decision": "ok" if self._feed.cached is not None else "none yet",
            "config": self._reloader.problem or "ok",
            "draining": "yes" if draining else "no",
        }
        ready = self._is_listening and self._can_answer() and not draining
        return Readiness(ready=ready, checks=checks)

    def _apply_settings(self, settings: AdmitterSettings) -> None:
        policy = settings.policy()
        self._settings = settings
        self._webhook.apply_settings(settings)
        self._metrics.apply_settings(policy)
        self._feed.apply_settings(policy.limits, settings.refresh)
        logs.set_level(settings.log.level)

    def _certificate_reloaded(self, problem: str | None) -> None:
        if problem is None:
            self._log.info("certificate reloaded")
        else:
            self._log.error("certificate refused, keeping the old one", problem=problem)
        self._metrics.count_certificate_reload(succeeded=problem is None)
