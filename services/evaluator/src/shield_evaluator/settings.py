"""The evaluator's configuration file, and the plan that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta

from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, Name
from shield_common.decision import MAX_TEXT
from shield_common.listen import MetricsSettings
from shield_common.logs import LogSettings
from shield_common.store.settings import RedisSettings
from shield_evaluator.core.plan import ColdStart, OnBlind, Plan, SignalPlan, Unit
from shield_evaluator.prometheus.settings import PrometheusSettings
from shield_evaluator.prometheus.source import SignalQuery
from shield_evaluator.signal_settings import OnBlindName, SignalSettings
from shield_evaluator.threshold_settings import ThresholdSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


MIN_INTERVAL: Final = 0.2  # seconds; below, one cycle's own work shows in the cadence
MAX_RATIO: Final = 1.0  # a ratio's threshold above it is a percentage in disguise; an alert reads 1
MIN_LEASE: Final = Duration(15)  # three of the default cycles: one may fail, one may be slow
LEASE_CYCLES: Final = 3
TIMEOUT_SHARE: Final = 0.8  # of the interval for Prometheus, the rest for Redis
# What was opened with the old values; see `shield_common.config.reload`.
RESTART_KEYS: Final = ("cluster", "redis", "metrics.listen", "log.format")
DEFAULT_SLOTS: Final = 5_000  # held runs; the floods of `simulate --scenario all` need up to 3,838
MAX_SLOTS: Final = 100_000  # 7 GiB of an etcd, which none has to spare


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
    on_blind: OnBlindName = "hold"
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
            if signal not in numbers and t.set is not None and t.set > MAX_RATIO
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
        return self.lease_ttl or Duration(max(MIN_LEASE, LEASE_CYCLES * self.interval))

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
            applies_learned_cost=signal.learn_cost,
        )


def _is_link(url: str) -> bool:
    schemes = ("http://", "https://")
    return url.startswith(schemes) and url.isprintable() and " " not in url and len(url) <= MAX_TEXT
