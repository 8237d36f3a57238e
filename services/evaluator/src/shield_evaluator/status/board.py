"""What the evaluator reports of itself over HTTP: readiness, ``/status``, and the page at ``/``.

The board is the only owner of the last result; everything that is asked between two cycles is
answered from it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from shield_common.probes import Readiness
from shield_evaluator.core.room import reservations_of
from shield_evaluator.cycle_result import CycleOutcome
from shield_evaluator.status.page import HEADERS, render
from shield_evaluator.status.snapshot import Snapshot, TierChange, tier_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_evaluator.core.state import Instant
    from shield_evaluator.cycle import Cycle
    from shield_evaluator.cycle_result import CycleResult
    from shield_evaluator.lease import Writer

MAX_CHANGES: Final = 12  # what fits under the signals on one screen


class Board:
    """Keeps the last result and the last changes of the tiers.

    Args:
        cycle: for the cluster's name, the interval and the histories.
        writer: for the lease, and what Redis last failed with.
        now: the present moment.
        config_problem: why the configuration file is not in force; None if it is.
        runbook_url: where docs/runbook.md is published; None leaves the links out.
    """

    def __init__(
        self,
        *,
        cycle: Cycle,
        writer: Writer,
        now: Callable[[], Instant],
        config_problem: Callable[[], str | None],
        runbook_url: str | None = None,
    ) -> None:
        self._cycle = cycle
        self._writer = writer
        self._now = now
        self._config_problem = config_problem
        self._result: CycleResult | None = None
        self._published = False
        self._changes: deque[TierChange] = deque(maxlen=MAX_CHANGES)
        self.runbook_url = runbook_url

    def record(self, result: CycleResult) -> None:
        """Keep what a cycle saw and did."""
        before = None if self._result is None else self._result.decision
        if before is not None and result.decision is not None:
            self._changes.extendleft(tier_changes(before, result.decision))
        self._result = result
        self._published = self._published or result.outcome in {
            CycleOutcome.PUBLISHED,
            CycleOutcome.WITHHELD,
        }

    def readiness(self) -> Readiness:
        """Say whether the evaluator does its work: as the writer, or as a standby.

        Ready once it has published a decision or another evaluator holds the lease. Later failures
        show in the checks and in metrics only, because restarting the evaluator repairs neither
        Redis nor Prometheus.
        """
        standby = self._result is not None and self._result.outcome is CycleOutcome.STANDBY
        checks = {
            "redis": self._writer.problem or "ok",
            "prometheus": self._prometheus_check(),
            "lease": "held" if self._writer.lease_held else "standby" if standby else "not held",
        }
        return Readiness(ready=self._published or standby, checks=checks)

    def _prometheus_check(self) -> str:
        if self._result is None:
            return "not queried yet"
        problems = [
            f"{name}: {observation.problem}"
            for name, observation in self._result.observations.items()
            if not observation.usable
        ]
        return "; ".join(problems) or "ok"

    def status(self) -> dict[str, Any]:
        """Return what ``/status`` shows, as plain data."""
        result = self._result
        body: dict[str, Any] = {
            "holder": self._writer.holder,
            "lease_held": self._writer.lease_held,
            "epoch": self._writer.epoch,
            "redis": self._writer.problem or "ok",
            "config": self._config_problem() or "ok",
            "outcome": None if result is None else result.outcome.value,
            "decision": None if result is None else msgspec.to_builtins(result.decision),
        }
        if result is not None:
            body["held"] = msgspec.to_builtins(result.held_report)
            body["problems"] = self.snapshot().problems
            body["latches"] = [
                {"tier": tier, "signal": signal, "state": latch.state.value}
                for (tier, signal), latch in result.state.latches.items()
            ]
            body["reservations"] = msgspec.to_builtins(
                reservations_of(result.plan, result.state.room, now_ms=self._now().ms)
            )
        return body

    def snapshot(self) -> Snapshot:
        """Return what the page shows now."""
        result, config = self._result, self._cycle.config
        standby = result is not None and result.outcome is CycleOutcome.STANDBY
        return Snapshot(
            cluster=config.cluster,
            now=self._now(),
            result=result,
            interval=config.interval,
            holder=self._writer.holder,
            lease_held=self._writer.lease_held,
            # A standby's own values are out of date: it does not query Prometheus.
            histories={} if standby else self._cycle.histories(),
            changes=tuple(self._changes),
            redis_problem=None if result is None else self._writer.problem,
            config_problem=self._config_problem(),
            runbook_url=self.runbook_url,
        )

    async def handle_status(self, _request: web.Request) -> web.Response:
        """Answer ``GET /status``."""
        body = msgspec.json.encode(self.status())
        return web.Response(body=body, content_type="application/json")

    async def handle_page(self, request: web.Request) -> web.Response:
        """Answer ``GET /``; ``?refresh=off`` leaves out the automatic refresh."""
        body = render(self.snapshot(), refresh=request.query.get("refresh") != "off")
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=HEADERS)
