"""What the evaluator tells about itself over HTTP: readiness and ``/status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from shield_common.probes import Readiness
from shield_evaluator.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_evaluator.lease import Writer
    from shield_evaluator.report import Report


class Board:
    """The last report, for whoever asks between two cycles."""

    def __init__(
        self, writer: Writer, *, config_problem: Callable[[], str | None] = lambda: None
    ) -> None:
        self._writer = writer
        self._config_problem = config_problem
        self._report: Report | None = None
        self._published = False

    def record(self, report: Report) -> None:
        """Remember what a cycle saw and did."""
        self._report = report
        self._published = self._published or report.outcome is Outcome.PUBLISHED

    def readiness(self) -> Readiness:
        """Say whether the evaluator does its work: it writes, or stands by for whoever does.

        Ready once it has published a decision or another evaluator holds the lease; what fails
        later shows in the checks and in metrics, because restarting the evaluator mends neither
        Redis nor Prometheus.
        """
        report, problem = self._report, self._writer.problem
        standby = report is not None and report.outcome is Outcome.STANDBY
        checks = {
            "redis": problem or "ok",
            "prometheus": self._prometheus_check(),
            "lease": "held" if self._writer.held else "standby" if standby else "not held",
        }
        return Readiness(ready=self._published or standby, checks=checks)

    def _prometheus_check(self) -> str:
        report = self._report
        if report is None:
            return "not asked yet"
        problems = [
            f"{name}: {seen.problem}"
            for name, seen in report.observations.items()
            if not seen.usable
        ]
        return "; ".join(problems) or "ok"

    def status(self) -> dict[str, Any]:
        """Return what ``/status`` shows, as plain data."""
        report = self._report
        body: dict[str, Any] = {
            "holder": self._writer.holder,
            "lease_held": self._writer.held,
            "epoch": self._writer.epoch,
            "redis": self._writer.problem or "ok",
            "config": self._config_problem() or "ok",
            "outcome": None if report is None else report.outcome.value,
            "decision": None if report is None else msgspec.to_builtins(report.decision),
        }
        if report is not None:
            body["problems"] = {
                name: seen.problem
                for name, seen in report.observations.items()
                if seen.problem is not None
            }
            body["latches"] = [
                {"tier": tier, "signal": signal, "state": latch.state.value}
                for (tier, signal), latch in report.state.latches.items()
            ]
        return body

    async def handle_status(self, _request: web.Request) -> web.Response:
        """Answer ``GET /status``."""
        return web.Response(
            body=msgspec.json.encode(self.status()), content_type="application/json"
        )
