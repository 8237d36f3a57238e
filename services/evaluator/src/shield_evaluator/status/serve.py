"""The page over HTTP, and what it remembers between two cycles."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import deque
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from shield_evaluator.report import Outcome
from shield_evaluator.status import sections
from shield_evaluator.status.advice import actions
from shield_evaluator.status.facts import Change, Facts, changes
from shield_evaluator.status.signals import signals
from shield_evaluator.status.style import STYLE
from shield_evaluator.status.tiers import tiers
from shield_evaluator.status.tree import Element, document, element

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_evaluator.core.latch import Instant
    from shield_evaluator.cycle import Cycle
    from shield_evaluator.lease import Writer
    from shield_evaluator.report import Report

MAX_CHANGES: Final = 12  # what fits under the signals on one screen
FASTEST_REFRESH: Final = 2  # seconds; faster, nobody can read it

_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    # Nothing may run, be sent or be framed; the one style sheet is named by its digest, and the
    # tab's icon is a picture inside the page.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_COLORS: Final = {"good": "#1a7f37", "near": "#bf8700", "over": "#c4242b", "unknown": "#57606a"}


class StatusPage:
    """Renders the page for whoever asks.

    Attributes:
        runbook_url: where docs/runbook.md is published; None leaves the links out.
    """

    def __init__(
        self,
        *,
        cycle: Cycle,
        writer: Writer,
        now: Callable[[], Instant],
        runbook_url: str | None = None,
        config_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._cycle = cycle
        self._writer = writer
        self._now = now
        self._config_problem = config_problem
        self._report: Report | None = None
        self._changes: deque[Change] = deque(maxlen=MAX_CHANGES)
        self.runbook_url = runbook_url

    def record(self, report: Report) -> None:
        """Remember what a cycle saw and did."""
        before = None if self._report is None else self._report.decision
        after = report.decision
        if before is not None and after is not None:
            self._changes.extendleft(changes(before, after))
        self._report = report

    def facts(self) -> Facts:
        """Return what the page would show now."""
        report, watch = self._report, self._cycle.watch
        standby = report is not None and report.outcome is Outcome.STANDBY
        return Facts(
            cluster=watch.cluster,
            now=self._now(),
            report=report,
            interval=watch.interval,
            holder=self._writer.holder,
            lease_held=self._writer.held,
            histories={} if standby else self._cycle.histories(),
            changes=tuple(self._changes),
            redis=None if report is None else self._writer.problem,
            configuration=self._config_problem(),
            runbook_url=self.runbook_url,
        )

    async def handle(self, _request: web.Request) -> web.Response:
        """Answer ``GET /``."""
        return web.Response(
            body=render(self.facts()), content_type="text/html", charset="utf-8", headers=HEADERS
        )


def render(facts: Facts) -> bytes:
    """Return the whole page."""
    words, level = sections.headline(facts)
    return document(
        title=f"{words} · {facts.cluster} · etcd-shield",
        style=STYLE,
        head=_head(facts, level),
        body=_body(facts),
    )


def _head(facts: Facts, level: str) -> list[Element]:
    seconds = max(FASTEST_REFRESH, math.ceil(facts.interval))
    dot = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'<circle cx="8" cy="8" r="7" fill="{_COLORS[level]}"/></svg>'
    )
    return [
        element("meta", {"http-equiv": "refresh", "content": f"{seconds}"}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("link", {"rel": "icon", "href": f"data:image/svg+xml,{quote(dot)}"}),
    ]


def _body(facts: Facts) -> Element:
    decision, report = facts.decision, facts.report
    parts = sections.notices(facts)
    if decision is not None and report is not None:
        parts.append(tiers(facts, decision, report.plan))
        parts.append(signals(facts, decision, report.plan))
    parts += [sections.state(facts, decision), actions(facts), sections.changes(facts)]
    refresh = f"Refreshes every {max(FASTEST_REFRESH, math.ceil(facts.interval))} s. "
    parts.append(
        element(
            "footer",
            None,
            refresh,
            "The same as JSON: ",
            element("a", {"href": "status"}, "/status"),
            ".",
        )
    )
    return element("body", None, sections.header(facts), element("main", None, *parts))
