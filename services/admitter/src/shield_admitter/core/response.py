"""From a verdict to an AdmissionReview response.

Source of the form: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
Everything but the uid and the jittered retry is the same for every request of one tier under one
decision, so it is rendered once and kept (`Renderer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from shield_admitter.core.review import API_VERSION, KIND
from shield_admitter.core.verdict import Outcome, Reason
from shield_common.text import format_time, format_value, printable, truncate

if TYPE_CHECKING:
    from shield_admitter.core.verdict import Verdict
    from shield_common.decision import Decision

MAX_WARNING: Final = 120  # kubectl shows a warning on one line
MAX_KEPT: Final = 256  # renderings; a few tiers times outcomes, the bound is for odd kinds
MAX_KIND: Final = 63

DENIAL_REASONS: Final = {429: "TooManyRequests", 403: "Forbidden"}

_HEAD: Final = (
    msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND})[:-1] + b',"response":{"uid":'
)


@dataclass(frozen=True, slots=True)
class DenialStyle:
    """How a denial looks.

    Attributes:
        code: 429 or 403.
        url: where a person finds out more; the decision's own if None.
    """

    code: int = 429
    url: str | None = None


class Renderer:
    """Renders answers, keeping what is the same for many."""

    def __init__(self, style: DenialStyle) -> None:
        self._style = style
        self._kept: dict[tuple[object, ...], bytes] = {}
        self._decision: Decision | None = None

    @property
    def kept(self) -> int:
        """How many renderings are kept."""
        return len(self._kept)

    def render(self, verdict: Verdict, *, uid: str, kind: str, retry_after: int | None) -> bytes:
        """Return the response's body.

        Args:
            verdict: what the request is told.
            uid: the request's, echoed exactly.
            kind: the request's, for the denial's first word.
            retry_after: seconds after which to come back; None to leave it out.
        """
        kind = kind[:MAX_KIND]
        if verdict.decision is not self._decision or len(self._kept) > MAX_KEPT:
            self._kept.clear()
            self._decision = verdict.decision
        key = (
            verdict.outcome,
            verdict.reason,
            verdict.tier,
            verdict.exemption and verdict.exemption.position,
            "" if verdict.allowed else kind,
        )
        body = self._kept.get(key)
        if body is None:
            body = self._kept[key] = msgspec.json.encode(
                response_fields(verdict, kind, self._style)
            )
        if retry_after is None or verdict.allowed:
            return b"%s%s,%s}" % (_HEAD, msgspec.json.encode(uid), body[1:])
        # The status stands last, so its details can be put in before its closing brace.
        return b'%s%s,%s,"details":{"retryAfterSeconds":%d}}}}' % (
            _HEAD,
            msgspec.json.encode(uid),
            body[1:-2],
            retry_after,
        )


def response_fields(verdict: Verdict, kind: str, style: DenialStyle) -> dict[str, Any]:
    """Return the response without its uid, as plain data; a denial's ``status`` stands last."""
    fields: dict[str, Any] = {"allowed": verdict.allowed}
    annotations = {"verdict": verdict.outcome.value, "reason": verdict.reason.value}
    if verdict.tier:
        annotations["tier"] = verdict.tier
    if verdict.exemption is not None:
        annotations["exemption"] = verdict.exemption.reason
    if verdict.entry is not None and verdict.entry.reason:
        annotations["why"] = verdict.entry.reason
    fields["auditAnnotations"] = annotations
    warning = _warning(verdict)
    if warning:
        fields["warnings"] = [truncate(printable(warning), MAX_WARNING)]
    if not verdict.allowed:
        fields["status"] = {
            "status": "Failure",
            "code": style.code,
            "reason": DENIAL_REASONS[style.code],
            "message": printable(denial(verdict, kind, style)),
        }
    return fields


def denial(verdict: Verdict, kind: str, style: DenialStyle) -> str:
    """Say that a request is denied, why, since when, until when and where to read on.

    Made of the decision's words alone, which are bounded, and of the kind, cut by whoever renders.
    The first words (kind, "admission currently not allowed") are fixed: people and tools match
    on them.
    """
    text = f"{kind} admission currently not allowed: {_why(verdict)}. Tier: {verdict.tier}."
    url = style.url or (verdict.decision and verdict.decision.status_url)
    return f"{text} See {url}" if url else text


def _why(verdict: Verdict) -> str:
    entry = verdict.entry
    if verdict.decision is None:
        return "etcd-shield has no current decision"
    if entry is None:
        return "etcd-shield denies every tier that it has no thresholds for"
    span = [f"denied since {format_time(entry.since)}"]
    if entry.unit == "alert" and entry.signal is not None:
        span.append("until it stops")
    elif entry.reset is not None:
        span.append(f"until below {format_value(entry.reset, entry.unit)}")
    return f"{entry.reason or 'etcd is close to its quota'} ({', '.join(span)})"


def _warning(verdict: Verdict) -> str | None:
    if verdict.outcome is Outcome.WARNED:
        return f"etcd-shield would deny this: {_why(verdict)}"
    if verdict.outcome is Outcome.ADMITTED and verdict.reason in {Reason.SHIELD, Reason.OVERRIDE}:
        return verdict.entry.warning if verdict.entry is not None else None
    return None
