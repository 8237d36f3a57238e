"""The request path: decode, judge, encode, count. Nothing in it waits for anything."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from shield_admitter.core.response import Renderer
from shield_admitter.core.review import ReviewError, decode
from shield_admitter.core.verdict import Outcome, judge
from shield_admitter.http.interface import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shield_admitter.core.decision_age import Held
    from shield_admitter.core.response import DenialStyle
    from shield_admitter.core.verdict import Policy
    from shield_admitter.denial_log import DenialLog
    from shield_admitter.http.head import Head
    from shield_admitter.metrics import Metrics

# /validate-resource and the Kubebuilder-style path are what existing webhook configurations of
# the Go etcd-shield call.
PATHS: Final = frozenset({"/validate", "/validate-resource", "/validate-tekton-dev-v1-pipelinerun"})
JSON: Final = "application/json"

# Give or take half, so that long-lived clients find new replicas, and not all at once.
REQUESTS_PER_CONNECTION: Final = 1000


class Webhook:
    """Answers AdmissionReviews; fulfils ``edge.interface.Service``.

    Attributes:
        max_body: larger reviews are refused.
        closing: every answer asks the client to close its connection.
    """

    def __init__(
        self,
        *,
        held: Callable[[], Held | None],
        serving: Callable[[], bool],
        metrics: Metrics,
        denials: DenialLog,
        now_ms: Callable[[], int],
        utc: Callable[[], datetime],
        chance: Callable[[], float],
        policy: Policy,
        style: DenialStyle,
        max_body: int,
    ) -> None:
        self._held = held
        self._serving = serving
        self._metrics = metrics
        self._denials = denials
        self._now_ms = now_ms
        self._utc = utc
        self._chance = chance
        self.closing = False
        self.apply_settings(policy, style, max_body)

    def apply_settings(self, policy: Policy, style: DenialStyle, max_body: int) -> None:
        """Answer by another configuration from the next request on."""
        self._policy = policy
        self._renderer = Renderer(style)
        self.max_body = max_body

    def refuse(self, head: Head) -> Answer | None:
        """Answer what the head alone shows to be no review; None if the body has to be read."""
        if head.path not in PATHS:
            return self._reject("path", HTTPStatus.NOT_FOUND, _NOT_FOUND)
        if head.method != "POST":
            return self._reject(
                "method", HTTPStatus.METHOD_NOT_ALLOWED, "only POST is served here", b"Allow: POST"
            )
        if head.content_type != JSON or head.encoded:
            return self._reject(
                "media_type",
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"the body must be plain {JSON}",
            )
        if not self._serving():
            return self._reject(
                "not_ready",
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no decision yet",
                b"Retry-After: 1",
                close=True,
            )
        return None

    def answer(self, body: bytes | bytearray) -> Answer:
        """Answer one review."""
        started = time.perf_counter()
        try:
            review = decode(body)
        except ReviewError as error:
            return self._reject("malformed", HTTPStatus.BAD_REQUEST, str(error))
        verdict = judge(review, self._held(), self._policy, now_ms=self._now_ms(), utc=self._utc())
        retry = None if verdict.retry is None else verdict.retry.jittered(self._chance())
        answer = self._renderer.render(
            verdict, uid=review.uid, kind=review.kind.kind, retry_after=retry
        )
        if verdict.outcome is not Outcome.ADMITTED:
            self._denials.write(review, verdict)
        self._metrics.count(verdict, time.perf_counter() - started)
        return Answer(answer)

    def refused(self, why: str) -> None:
        """Count what the edge refused."""
        self._metrics.reject(why)

    def connection_length(self) -> int:
        """Let go of a connection now and then, at a time of its own."""
        return round(REQUESTS_PER_CONNECTION * (0.5 + self._chance()))

    def _reject(
        self,
        reason: str,
        status: HTTPStatus,
        message: str,
        header: bytes = b"",
        *,
        close: bool = False,
    ) -> Answer:
        self._metrics.reject(reason)
        body = msgspec.json.encode({"error": message})
        return Answer(body, status, header and header + b"\r\n", close)


_NOT_FOUND: Final = f"not found; reviews go to {', '.join(sorted(PATHS))}"
