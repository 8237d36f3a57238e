"""What a person can do now, with links to the runbook's sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_evaluator.status.tree import Element, element

if TYPE_CHECKING:
    from shield_evaluator.status.facts import Facts

SHORT_SECONDS: Final = 3600  # as the alert EtcdShieldTimeToFullShort


def actions(facts: Facts) -> Element:
    """Say what a person can do now."""
    items = [element("li", None, text, _link(facts, anchor)) for text, anchor in _advice(facts)]
    return element(
        "section",
        {"class": "actions"},
        element("h2", None, "What to do"),
        element("ul", None, *items),
    )


def _link(facts: Facts, anchor: str) -> Element | None:
    if facts.runbook_url is None:
        return None
    return element("a", {"href": f"{facts.runbook_url}#{anchor}", "rel": "noreferrer"}, "Runbook")


def _advice(facts: Facts) -> list[tuple[str, str]]:
    """Return sentences, each with its section of docs/runbook.md."""
    decision = facts.decision
    override = None if decision is None else decision.override
    forecast = None if decision is None else decision.time_to_full_seconds
    fills = forecast is not None and forecast < SHORT_SECONDS
    denied, file_only = bool(facts.denied), facts.only_the_file_denies
    cases = (
        (
            file_only,
            "Defragment etcd: there is room inside its file, which nothing else makes smaller.",
            "etcdshielddefragwouldhelp",
        ),
        (
            denied and not file_only,
            "Make room: prune old PipelineRuns, compact, then defragment. It opens by itself.",
            "etcdshielddenyadmission",
        ),
        (
            bool(facts.blind),
            "Find out why Prometheus has no samples: nothing protects etcd meanwhile.",
            "etcdshieldsignalblind",
        ),
        (
            facts.redis is not None,
            "Bring Redis back: admitters go by their last decision, for some minutes.",
            "etcdshieldredisdown",
        ),
        (
            override is not None,
            "Take the override back once it is not needed: shield-evaluator override clear.",
            "etcdshieldoverrideactive",
        ),
        (fills and not denied, "Find out what writes so much.", "etcdshieldtimetofullshort"),
        (denied, "In an emergency only: let requests in all the same.", "break-glass"),
    )
    advice = [(text, anchor) for holds, text, anchor in cases if holds]
    return advice or [("Nothing needs doing.", "reading-the-status-page")]
