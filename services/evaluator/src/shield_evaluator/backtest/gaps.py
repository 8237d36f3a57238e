"""What each signal said over a range, and when it said nothing or not all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_evaluator.backtest.findings import Gap, SignalReport
from shield_evaluator.backtest.replay import instant
from shield_evaluator.core.plan import OnBlind

if TYPE_CHECKING:
    from shield_evaluator.backtest.replay import Step
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.state import Instant

# Per signal: a scrape that fails every other time must not fill the memory.
MAX_GAPS: Final = 1_000


class SignalLog:
    """One signal's highest value and its gaps."""

    def __init__(self, plan: Plan, name: str, step_ms: int) -> None:
        self.name = name
        self.left_out = 0
        self._plan = plan.signals[name]
        self._step_ms = step_ms
        self._highest: tuple[float, Instant, str | None] | None = None
        self._ms = {"missing": 0, "partial": 0}
        self._gap: tuple[str, int, str] | None = None
        self._gaps: list[Gap] = []

    def see(self, step: Step) -> None:
        """Count one step; they come in order of time."""
        seen = step.observations[self.name]
        value = seen.value
        if value is not None and (self._highest is None or value > self._highest[0]):
            self._highest = (value, step.now, seen.member)
        kind = "missing" if value is None else "partial" if seen.partial else None
        if self._gap is not None and self._gap[0] != kind:
            self._end_gap(step.now.ms, lasts=False)
        if kind is not None:
            self._ms[kind] += self._step_ms
            if self._gap is None:
                self._gap = (kind, step.now.ms, seen.problem or "")

    def finish(self, end_ms: int) -> list[Gap]:
        """Return the gaps; one that lasts ends with the range."""
        if self._gap is not None:
            self._end_gap(end_ms, lasts=True)
        return self._gaps

    def report(self) -> SignalReport:
        """Return what is known after the last step."""
        highest, at, member = self._highest or (None, None, None)
        return SignalReport(
            unit=self._plan.unit.value,
            highest=highest,
            highest_at=None if at is None else at.utc,
            highest_member=member,
            missing_seconds=self._ms["missing"] / 1000,
            partial_seconds=self._ms["partial"] / 1000,
        )

    def _end_gap(self, end_ms: int, *, lasts: bool) -> None:
        if self._gap is None:
            return
        kind, start_ms, problem = self._gap
        self._gap = None
        if len(self._gaps) >= MAX_GAPS:
            self.left_out += 1
            return
        self._gaps.append(
            Gap(
                signal=self.name,
                kind=kind,
                start=instant(start_ms).utc,
                end=None if lasts else instant(end_ms).utc,
                seconds=(end_ms - start_ms) / 1000,
                problem=problem,
                treatment=self._treatment(kind, end_ms - start_ms),
            )
        )

    def _treatment(self, kind: str, ms: int) -> str:
        if kind == "partial":
            return "could deny, could not admit again"
        if ms < self._plan.blind_after_ms:
            return "latches held"
        after = f"latches held; blind after {self._plan.blind_after_ms / 1000:g}s"
        effects = {
            OnBlind.HOLD: "and still held",
            OnBlind.DENY: "then denied",
            OnBlind.ALLOW: "then admitted",
        }
        return f"{after}, {effects[self._plan.on_blind]}"
