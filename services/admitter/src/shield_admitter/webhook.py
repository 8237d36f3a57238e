"""The request path: decode, judge, encode, count. Nothing in it waits."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from shield_admitter.core.hold import mutate, mutation_policy, validate
from shield_admitter.core.pacing import retry_seconds
from shield_admitter.core.response import (
    admission_response,
    encode,
    encode_admission,
    mutation_response,
)
from shield_admitter.core.review import ReviewError, decode
from shield_admitter.core.verdict import ADMITTED, AdmitterState
from shield_admitter.http.messages import Response, error_response, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.admission_counts import AdmissionCounts
    from shield_admitter.core.hold import Mutation
    from shield_admitter.core.pacing import Pacing
    from shield_admitter.core.review import Request
    from shield_admitter.core.slots import Slots
    from shield_admitter.core.verdict import Verdict
    from shield_admitter.denial_log import DenialLog
    from shield_admitter.http.messages import RequestHead
    from shield_admitter.metrics import Metrics
    from shield_admitter.settings import AdmitterSettings
    from shield_common.decision_feed import DecisionFeed

MUTATE: Final = b"/mutate"
# Existing webhook configurations of the Go etcd-shield call the last two.
PATHS: Final = frozenset(
    {MUTATE, b"/validate", b"/validate-resource", b"/validate-tekton-dev-v1-pipelinerun"}
)
JSON: Final = b"application/json"


class Webhook:
    """Answers AdmissionReviews; implements ``http.messages.Handler``.

    Attributes:
        max_body: bytes; larger reviews are rejected.
    """

    def __init__(
        self,
        settings: AdmitterSettings,
        *,
        feed: DecisionFeed,
        pacing: Pacing,
        slots: Slots,
        counts: AdmissionCounts,
        can_answer: Callable[[], bool],
        metrics: Metrics,
        denial_log: DenialLog,
        now_ms: Callable[[], int],
        unix_now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """Keep the collaborators.

        Args:
            settings: the configuration.
            feed: holds the cached decision.
            pacing: runs that this admitter may still admit, by tier.
            slots: runs that this admitter may still hold.
            counts: counts admitted and held runs for the evaluator.
            can_answer: False while a new admitter waits for its first decision.
            metrics: counts verdicts and rejections.
            denial_log: logs denials.
            now_ms: a monotonic clock, for the age of the decision.
            unix_now: the wall clock as Unix time, for exemptions.
            random: a random number from 0 to 1, for ``retryAfterSeconds``.
        """
        self._feed = feed
        self._pacing = pacing
        self._slots = slots
        self._counts = counts
        self._can_answer = can_answer
        self._metrics = metrics
        self._denial_log = denial_log
        self._now_ms = now_ms
        self._unix_now = unix_now
        self._random = random
        self.apply_settings(settings)

    def apply_settings(self, settings: AdmitterSettings) -> None:
        """Use these settings from the next request on."""
        self._policy = settings.policy()
        self._mutation_policy = mutation_policy(self._policy)
        self._denial_format = settings.denial_format()
        self.max_body = settings.max_body

    def check_head(self, head: RequestHead) -> Response | None:
        """Return an error response if the head is not that of a review."""
        if head.path not in PATHS:
            return self._error("path", HTTPStatus.NOT_FOUND, _NOT_FOUND)
        if head.method != b"POST":
            message = "only POST is supported"
            return self._error("method", HTTPStatus.METHOD_NOT_ALLOWED, message, b"Allow: POST\r\n")
        if head.content_type != JSON or head.content_encoding:
            message = "the body must be application/json without Content-Encoding"
            return self._error("media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)
        if not self._can_answer():
            self.count_rejection("not_ready")
            return unavailable("no decision yet")
        return None

    def respond(self, head: RequestHead, body: bytes | bytearray) -> Response:
        """Answer one review."""
        started = time.perf_counter()
        try:
            request = decode(body)
        except ReviewError as error:
            return self._error("malformed", HTTPStatus.BAD_REQUEST, str(error))
        if head.path == MUTATE:
            return Response(self._mutate(request, started))
        return Response(self._validate(request, started))

    def _validate(self, request: Request, started: float) -> bytes:
        verdict = validate(request, self._policy, self._state())
        allowed = verdict.allowed
        content = encode_admission(request, verdict) if allowed else self._deny(request, verdict)
        if allowed and verdict.counts_run:
            if not verdict.room_taken:
                self._pacing.take(verdict.tier)
            self._counts.count(verdict.tier)
        if verdict.takes_slot and not request.dryRun:
            self._slots.take(verdict.tier)
        if verdict.outcome is not ADMITTED:
            self._denial_log.write(request, verdict)
        if verdict.in_metrics:
            self._metrics.count_verdict(verdict, time.perf_counter() - started)
        return content

    def _mutate(self, request: Request, started: float) -> bytes:
        mutation = mutate(request, self._mutation_policy, self._state())
        verdict = mutation.verdict
        response = mutation_response(
            request,
            mutation,
            self._denial_format,
            retry_after=None if verdict is None else self._retry_after(verdict),
        )
        content = encode(response)
        if not request.dryRun:
            self._spend(mutation)
        if verdict is not None:
            self._denial_log.write(request, verdict)
            self._metrics.count_verdict(verdict, time.perf_counter() - started)
        if self._policy.hold is not None:
            self._metrics.count_mutation(mutation)
        return content

    def _deny(self, request: Request, verdict: Verdict) -> bytes:
        retry_after = self._retry_after(verdict)
        return encode(
            admission_response(request, verdict, self._denial_format, retry_after=retry_after)
        )

    def _state(self) -> AdmitterState:
        return AdmitterState(
            self._feed.cached, self._pacing, self._slots, self._now_ms(), self._unix_now()
        )

    def _spend(self, mutation: Mutation) -> None:
        """Use up the room or the slot of a run, and count it for the evaluator."""
        if mutation.takes_room:
            self._pacing.take(mutation.tier)
        if mutation.counts_run:
            self._counts.count(mutation.tier)
        if mutation.joins_queue:
            self._slots.take(mutation.queue_tier)
            self._counts.count_held(mutation.queue_tier)

    def _retry_after(self, verdict: Verdict) -> int | None:
        rule, wait = verdict.retry_rule, verdict.wait_seconds
        by_rule = None if rule is None else rule.jittered_seconds(self._random())
        if (
            verdict.allowed
            or wait is None
            or self._denial_format.code != HTTPStatus.TOO_MANY_REQUESTS
        ):
            return by_rule
        return max(by_rule or 0, retry_seconds(wait, self._random()))

    def count_rejection(self, reason: str) -> None:
        """Count a request that is no review, or that the server rejected."""
        self._metrics.count_rejection(reason)

    def _error(
        self, reason: str, status: HTTPStatus, message: str, headers: bytes = b""
    ) -> Response:
        self.count_rejection(reason)
        return error_response(status, message, headers)


_NOT_FOUND: Final = f"not found; reviews go to {b', '.join(sorted(PATHS)).decode('ascii')}"
