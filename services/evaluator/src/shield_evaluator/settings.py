"""The evaluator's configuration file, and the plan that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta

from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, Name, Size
from shield_common.decision import MAX_TEXT
from shield_common.listen import MetricsSettings
from shield_common.logs import LogSettings
from shield_common.store.settings import RedisSettings
from shield_evaluator.core.plan import (
    ColdStart,
    OnBlind,
    Plan,
    RoomPlan,
    SignalPlan,
    Threshold,
    Unit,
)
from shield_evaluator.prometheus.settings import PrometheusSettings
from shield_evaluator.prometheus.source import SignalQuery
from shield_evaluator.signal_settings import Hold, SignalSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


MIN_INTERVAL: Final = 0.2  # seconds; below, one cycle's own work shows in the cadence
ALERT_SET: Final = 1.0  # an alert signal reads 1 or 0
ALERT_RESET: Final = 0.5
MOST: Final = 1.0  # a ratio's threshold above it is a percentage in disguise; an alert reads 1
LEASE_FIRST: Final = Duration(15)  # three of the default cycles: one may fail, one may be slow
LEASE_CYCLES: Final = 3
TIMEOUT_SHARE: Final = 0.8  # of the interval for Prometheus, the rest for Redis
# What was opened with the old values; see `shield_common.config.reload`.
RESTART_KEYS: Final = ("cluster", "redis", "metrics.listen", "log.format")
# Room (core.room). Latches are the last line of defence: room ends before they are set.
TARGET_BELOW_SET: Final = 0.02
DEFAULT_LAG: Final = Duration(30)  # Prometheus' usual scrape interval
DEFAULT_GROWS_OVER: Final = Duration(900)  # Konflux runs write for 5 to 20 minutes
DEFAULT_SPEND: Final = Duration(60)  # long against the lag of counting, short against a run
DEFAULT_SLOTS: Final = 5_000  # held runs; the floods of `simulate --scenario all` need up to 3,838
MAX_SLOTS: Final = 100_000  # 7 GiB of an etcd, which none has to spare
ROOM_KEYS: Final = ("target", "lag", "grows_over", "spend", "reopen")


class ThresholdSettings(SettingsStruct, frozen=True, kw_only=True):
    """When a signal denies a tier; see `core.plan.Threshold`.

    An ``alert:`` signal reads 1 or 0 and needs neither ``set`` nor ``reset``.

    Attributes:
        set: at or above, the tier denies.
        reset: below, it admits again; always lower than ``set``.
        warn: at or above, requests are admitted with a warning.
        set_for: how long the value must stay at or above ``set``.
        reset_for: how long it must stay below ``reset``.
        run_cost: bytes that one admitted run adds to etcd at its peak, revisions included
            (``4Mi``); `shield-evaluator calibrate` finds it. Without it, no room is computed.
        target: value up to which admitted runs may fill etcd; 0.02 below ``set`` unless given.
        lag: how long nothing of a new run can be in a sample: scrape interval plus interval; 30s
            unless given.
        grows_over: over how long a run writes; 15m unless given.
        spend: over how long the room that is left is handed out; 1m unless given.
        reopen: room in runs at which a tier opens that was closed for lack of room; 1% of what fits
            below ``target``, at least 2, unless given.
        full: at or above, runs are denied even where they would be held; half way from ``set`` to 1
            unless given. A signal with ``unit: number`` has none unless given.
    """

    set: float | None = None
    reset: float | None = None
    warn: float | None = None
    set_for: Duration = Duration(0)
    reset_for: Duration = Duration(0)
    run_cost: Size | None = None
    target: float | None = None
    lag: Duration | None = None
    grows_over: Duration | None = None
    spend: Duration | None = None
    reopen: int | None = None
    full: float | None = None

    def __post_init__(self) -> None:
        """Check what the core checks, and that room settings come with a run cost."""
        if (self.set is None) != (self.reset is None):
            raise ValueError("set and reset go together")
        room = {name: getattr(self, name) for name in ROOM_KEYS}
        if self.run_cost is None and any(value is not None for value in room.values()):
            given = next(name for name, value in room.items() if value is not None)
            raise ValueError(f"{given}: needs run_cost, without which room is not computed")
        self.threshold()

    def threshold(self, unit: Unit = Unit.RATIO) -> Threshold:
        """Return it as the core wants it.

        Args:
            unit: of the signal.
        """
        full = self.full
        if full is None and unit is Unit.RATIO and self.set is not None:
            full = (self.set + max(self.set, 1.0)) / 2
        return Threshold(
            set=ALERT_SET if self.set is None else self.set,
            reset=ALERT_RESET if self.reset is None else self.reset,
            warn=self.warn,
            set_for_ms=self.set_for.milliseconds,
            reset_for_ms=self.reset_for.milliseconds,
            room=self._room_plan(),
            full=full,
        )

    def _room_plan(self) -> RoomPlan | None:
        if self.run_cost is None:
            return None
        if self.set is None:
            raise ValueError("run_cost: an alert says nothing about room")
        target = self.set - TARGET_BELOW_SET if self.target is None else self.target
        if self.target is None and not 0 < target <= 1:
            raise ValueError(
                f"set ({self.set:g}): run_cost needs a target, by default {TARGET_BELOW_SET:g} "
                "below set, that is above 0 and at most 1"
            )
        if target >= self.set:
            raise ValueError(f"target ({target:g}) must be below set ({self.set:g})")
        return RoomPlan(
            target=target,
            run_cost=int(self.run_cost),  # a plain number, which a decision can carry
            lag_ms=(DEFAULT_LAG if self.lag is None else self.lag).milliseconds,
            grows_over_ms=(
                DEFAULT_GROWS_OVER if self.grows_over is None else self.grows_over
            ).milliseconds,
            spend_ms=(DEFAULT_SPEND if self.spend is None else self.spend).milliseconds,
            reopen=self.reopen,
        )


class HoldSettings(SettingsStruct, frozen=True, kw_only=True):
    """How many runs may wait as pending runs instead of being denied.

    Attributes:
        enabled: whether decisions let admitters hold runs. Needs shield-controller, which starts
            them: without its reports nothing is held.
        max_runs: the most held runs of all tiers together; each takes up to 76 KiB in etcd.
    """

    enabled: bool = False
    max_runs: Annotated[int, Meta(ge=1, le=MAX_SLOTS)] = DEFAULT_SLOTS


class EvaluatorSettings(SettingsStruct, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        cluster: names this cluster's keys in Redis and is part of every document.
        interval: how often Prometheus is asked and a decision is published.
        prometheus: where and how it is asked.
        signals: what is measured.
        tiers: tier -> signal -> threshold.
        default_tier: whose bit is the plain allow bit.
        redis: where decisions go.
        cold_start: state of a latch without history whose value is between its thresholds. An
            evaluator that knows of no earlier decision waits for ``ttl`` before ``reset`` admits.
        blind_after: without a usable observation for this long a signal is blind.
        on_blind: what a blind signal makes of its tiers.
        lease_ttl: after this long without its holder another evaluator takes over; three times
            ``interval``, at least 15s, unless given.
        ttl: how long a decision lives in Redis.
        status_url: where a person finds out more; part of every decision, and of the denials
            of an admitter without a ``denial.url``.
        admitters: how many admitters share the room, one more with holding, for the controller;
            counted from Redis' subscriptions unless given. Give it with a Redis Cluster, which only
            counts those at one node.
        hold: how many runs may wait as pending runs instead of being denied.
        runbook_url: where docs/runbook.md is published; the status page links to its sections.
        metrics: where metrics, probes and the status page are served.
        log: level and form of the logs.
    """

    cluster: Name
    prometheus: PrometheusSettings
    signals: Annotated[tuple[SignalSettings, ...], Meta(min_length=1, max_length=50)]
    tiers: Annotated[dict[Name, dict[Name, ThresholdSettings]], Meta(min_length=1, max_length=50)]
    redis: RedisSettings
    default_tier: Name = "standard"
    interval: Duration = Duration(5)
    cold_start: Literal["reset", "set"] = "reset"
    blind_after: Duration = Duration(120)
    on_blind: Hold = "hold"
    lease_ttl: Duration | None = None
    ttl: Duration = Duration(300)
    status_url: str | None = None
    admitters: Annotated[int, Meta(ge=1, le=1000)] | None = None
    hold: HoldSettings = HoldSettings()
    runbook_url: str | None = None
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        """Refuse names that do not resolve and times that contradict each other."""
        for problem in (
            *self._name_problems(),
            *self._bound_problems(),
            *self._time_problems(),
            *self._url_problems(),
        ):
            raise ValueError(problem)

    def _name_problems(self) -> list[str]:
        names = [signal.name for signal in self.signals]
        problems = [
            f"signals: duplicate name {n}" for n in sorted(set(names)) if names.count(n) > 1
        ]
        for tier, thresholds in self.tiers.items():
            if not thresholds:
                problems.append(f"tiers.{tier}: has no thresholds")
            problems += [
                f"tiers.{tier}.{signal}: there is no signal of that name"
                for signal in thresholds
                if signal not in names
            ]
        alerts = {signal.name for signal in self.signals if signal.alert is not None}
        problems += [
            f"tiers.{tier}.{signal}: set and reset are needed"
            for tier, thresholds in self.tiers.items()
            for signal, threshold in thresholds.items()
            if threshold.set is None and signal in names and signal not in alerts
        ]
        if self.default_tier not in self.tiers:
            problems.append(f"default_tier: there is no tier {self.default_tier!r}")
        return problems

    def _bound_problems(self) -> list[str]:
        numbers = {s.name for s in self.signals if s.alert is None and s.unit == "number"}
        rooms = [
            f"tiers.{tier}.{signal}: run_cost: room is a share of etcd's quota, but the signal is"
            " in numbers; leave run_cost out"
            for tier, thresholds in self.tiers.items()
            for signal, t in thresholds.items()
            if signal in numbers and t.run_cost is not None
        ]
        return rooms + [
            f"tiers.{tier}.{signal}: set ({t.set:g}) is above 1, but the signal reads from 0 to 1;"
            " write 0.9 for 90%, or give the signal unit: number"
            for tier, thresholds in self.tiers.items()
            for signal, t in thresholds.items()
            if signal not in numbers and t.set is not None and t.set > MOST
        ]

    def _url_problems(self) -> list[str]:
        urls = {"status_url": self.status_url, "runbook_url": self.runbook_url}
        return [
            f"{name}: must be an http:// or https:// URL"
            for name, url in urls.items()
            if url is not None and not _is_link(url)
        ]

    def _time_problems(self) -> list[str]:
        problems = []
        if self.interval < MIN_INTERVAL:
            problems.append(f"interval: must be at least {Duration(MIN_INTERVAL)}")
        if self.blind_after <= 0:
            problems.append("blind_after: must be above 0s")
        if self.query_timeout > self.interval:
            problems.append("prometheus.timeout: must not be above interval, a cycle waits for it")
        if self.lease < 2 * self.interval:
            problems.append("lease_ttl: must be at least twice interval, a cycle renews it")
        if self.ttl < 2 * self.interval:
            problems.append("ttl: must be at least twice interval, a cycle renews it")
        return problems

    @property
    def query_timeout(self) -> Duration:
        """Return how long one cycle may wait for Prometheus."""
        return self.prometheus.timeout or Duration(self.interval * TIMEOUT_SHARE)

    @property
    def lease(self) -> Duration:
        """Return how long the lease lasts without being renewed."""
        return self.lease_ttl or Duration(max(LEASE_FIRST, LEASE_CYCLES * self.interval))

    def plan(self) -> Plan:
        """Return what the core is asked to watch."""
        signals = {signal.name: self._signal_plan(signal) for signal in self.signals}
        return Plan(
            signals=signals,
            tiers={
                tier: {
                    signal: t.threshold(signals[signal].unit) for signal, t in thresholds.items()
                }
                for tier, thresholds in self.tiers.items()
            },
            default_tier=self.default_tier,
            cold_start=ColdStart(self.cold_start),
            # Admitters drop a decision after its lifetime, and then nothing contradicts a new one.
            cold_start_delay_ms=self.ttl.milliseconds,
            max_held=self.hold.max_runs if self.hold.enabled else None,
        )

    def queries(self) -> Mapping[str, SignalQuery]:
        """Return what Prometheus is asked for each signal."""
        return {
            signal.name: SignalQuery(signal.expression, signal.alert, signal.member_label)
            for signal in self.signals
        }

    def expressions(self) -> Mapping[str, str]:
        """Return each signal's PromQL."""
        return {signal.name: signal.expression for signal in self.signals}

    def _signal_plan(self, signal: SignalSettings) -> SignalPlan:
        return SignalPlan(
            members=signal.members,
            blind_after_ms=(signal.blind_after or self.blind_after).milliseconds,
            on_blind=OnBlind(signal.on_blind or self.on_blind),
            unit=Unit.ALERT if signal.alert is not None else Unit(signal.unit),
            quota=signal.quota_source,
            learn_cost=signal.learn_cost,
        )


def _is_link(url: str) -> bool:
    schemes = ("http://", "https://")
    return url.startswith(schemes) and url.isprintable() and " " not in url and len(url) <= MAX_TEXT
