"""The client of Prometheus' HTTP API: requests, and failover between URLs inside one deadline."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from shield_evaluator.prometheus.alert_rules import AlertRules, parse_alert_rules, parse_start_time
from shield_evaluator.prometheus.range_query import Grid, RangeAnswer, parse_range
from shield_evaluator.prometheus.response import Answer, PrometheusError, parse
from shield_evaluator.prometheus.transport import FINAL, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shield_evaluator.prometheus.settings import PrometheusSettings

ROUNDS: Final = 2  # a second try of every URL covers a restart; a third would only add load
MAX_JITTER: Final = 0.05  # seconds between two tries; spreads the retries of the signals

# Asking the same server again may help.
TRANSIENT: Final = {"timeout", "connection", "unavailable"}

T = TypeVar("T")


class PrometheusClient:
    """Sends requests to the URLs of the settings, in order."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._transport = Transport()

    def apply_settings(self, settings: PrometheusSettings) -> None:
        """Use other settings from the next request on."""
        self._settings = settings

    async def query(
        self,
        expression: str,
        *,
        budget: float,
        member_label: str | None = None,
        members: int | None = None,
    ) -> Answer:
        """Evaluate an expression now.

        If a server's answer is empty or incomplete, the next URL is asked as well. The first
        complete answer is returned, else the first with most members.

        Args:
            expression: PromQL that gives an instant vector.
            budget: seconds for all tries of all URLs.
            member_label: the label that names the member; see `members.member_names`.
            members: how many members a complete answer has at least; None if that is not known.

        Raises:
            PrometheusError: no URL gave an answer in time; the error of the last one.
        """
        return await self._send(
            Request(
                "/api/v1/query",
                {"query": expression},
                partial(parse, member_label=member_label),
                self._settings,
                satisfies=lambda answer: (
                    not answer.warnings and answer.usable_members >= (members or 1)
                ),
            ),
            budget,
            better=lambda new, best: new.usable_members > best.usable_members,
        )

    async def query_range(self, expression: str, grid: Grid, *, budget: float) -> RangeAnswer:
        """Evaluate an expression at each step of a grid.

        Args:
            expression: PromQL that gives an instant vector at each step.
            grid: the steps; more of them than one query takes have to be split.
            budget: seconds for all tries of all URLs.

        Raises:
            PrometheusError: as for `query`.
        """
        form = {
            "query": expression,
            "start": f"{grid.start_ms / 1000:.3f}",
            "end": f"{grid.end_ms / 1000:.3f}",
            "step": f"{grid.step_ms / 1000:.3f}",
        }
        return await self._send(
            Request(
                "/api/v1/query_range",
                form,
                parse_range,
                self._settings,
                satisfies=lambda answer: bool(answer.series),
            ),
            budget,
            better=lambda new, best: bool(new.series) and not best.series,
        )

    async def alert_rules(self, alert: str, *, budget: float) -> AlertRules:
        """Return the rules that define an alert, and how their last evaluation went.

        Raises:
            PrometheusError: as for `query`.
        """
        request = Request(
            "/api/v1/rules",
            # Servers that do not know rule_name[] return all rules.
            {"type": "alert", "rule_name[]": alert},
            partial(parse_alert_rules, alert=alert),
            self._settings,
            satisfies=lambda answer: bool(answer.rules),
            method="GET",
        )
        return await self._send(
            request, budget, better=lambda new, best: bool(new.rules) and not best.rules
        )

    async def start_time(self, *, budget: float) -> datetime:
        """Return when the server started.

        Raises:
            PrometheusError: as for `query`.
        """
        request = Request(
            "/api/v1/status/runtimeinfo",
            {},
            lambda body, _remarks: parse_start_time(body),
            self._settings,
            method="GET",
        )
        return await self._send(request, budget)

    async def close(self) -> None:
        """Drop all connections; idempotent."""
        await self._transport.close()

    async def _send(
        self,
        request: Request[T],
        budget: float,
        *,
        better: Callable[[T, T], bool] = lambda _new, _best: False,
    ) -> T:
        """Ask each URL in order until an answer satisfies, then once more where that may help.

        Args:
            request: what to ask.
            budget: seconds for everything.
            better: whether one answer is better than another, if none satisfies.

        Raises:
            PrometheusError: no URL gave an answer; the last error.
        """
        deadline = asyncio.get_running_loop().time() + budget
        attempt = _Attempt[T]()
        timeout = PrometheusError("timeout", f"no answer within {budget:g}s")
        urls: Sequence[str] = request.settings.urls
        try:
            async with asyncio.timeout_at(deadline):
                for _ in range(ROUNDS):
                    urls = await self._ask_each(urls, request, deadline, attempt)
                    if not urls:
                        break
        except TimeoutError as error:
            if not attempt.answers:
                raise timeout from error
        if not attempt.answers:
            raise attempt.error or timeout
        best = attempt.answers[0]
        for answer in attempt.answers[1:]:
            best = answer if request.satisfies(answer) or better(answer, best) else best
        return best

    async def _ask_each(
        self, urls: Sequence[str], request: Request[T], deadline: float, attempt: _Attempt[T]
    ) -> list[str]:
        """Ask URLs in order until an answer satisfies; return those worth asking again."""
        again = []
        for number, url in enumerate(urls):
            # A frozen server may use up its own share of the time only.
            left = deadline - asyncio.get_running_loop().time()
            try:
                answer = await self._transport.send(url, request, left / (len(urls) - number))
            except PrometheusError as error:
                attempt.error = error
                if error.kind in FINAL:
                    return []
                if error.kind in TRANSIENT:
                    again.append(url)
                await asyncio.sleep(MAX_JITTER * secrets.randbelow(1000) / 1000)
                continue
            attempt.answers.append(answer)
            if request.satisfies(answer):
                return []
        return [] if attempt.answers else again


class _Attempt(Generic[T]):
    """The answers and the last error so far."""

    def __init__(self) -> None:
        self.answers: list[T] = []
        self.error: PrometheusError | None = None
