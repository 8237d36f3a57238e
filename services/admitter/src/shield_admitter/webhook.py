"""The request path: decode, judge, encode, count. Nothing in it waits for the network."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from shield_admitter.core.response import Renderer
from shield_admitter.core.review import Request, ReviewError, decode
from shield_admitter.core.verdict import Outcome, judge
from shield_common import logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

    from shield_admitter.core.freshness import Held
    from shield_admitter.core.response import DenialStyle
    from shield_admitter.core.verdict import Policy, Verdict
    from shield_admitter.metrics import Metrics

# /validate-resource and the Kubebuilder-style path are what existing webhook configurations of
# the Go etcd-shield call.
PATHS: Final = frozenset({"/validate", "/validate-resource", "/validate-tekton-dev-v1-pipelinerun"})
JSON: Final = "application/json"

# The API server keeps idle connections for 90 s (Go's http.Transport); closing later than the
# client does avoids the race in which it sends on a connection that was just closed.
KEEPALIVE_SECONDS: Final = 120.0

# One answer in so many closes its connection, so that long-lived clients find new replicas.
CLOSE_SHARE: Final = 1 / 1000

# A body that is refused unread is read and dropped for at most so long before the connection
# is closed.
LINGER_SECONDS: Final = 2.0


class Webhook:
    """Answers AdmissionReviews.

    Attributes:
        draining: every answer asks the client to close its connection.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        style: DenialStyle,
        held: Callable[[], Held | None],
        serving: Callable[[], bool],
        metrics: Metrics,
        max_body: int,
        now_ms: Callable[[], int],
        utc: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._renderer = Renderer(style)
        self._held = held
        self._serving = serving
        self._metrics = metrics
        self._max_body = max_body
        self._now_ms = now_ms
        self._utc = utc
        self._chance = chance
        self._log = logs.get(__name__)
        self.draining = False

    def server(self) -> web.Server:
        """Build the HTTP server; whoever calls it gives it a socket and TLS."""
        return web.Server(
            self.handle,
            request_factory=self._request,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            auto_decompress=False,
            lingering_time=LINGER_SECONDS,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            response = await self._answer(request)
        finally:
            self._metrics.in_flight.dec()
        self._metrics.duration.observe(time.perf_counter() - started)
        if self.draining or self._chance() < CLOSE_SHARE:
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        refusal = self._refuse_unread(request)
        if refusal is not None:
            return refusal
        try:
            return self._admit(decode(await request.read()))
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        except ReviewError as error:
            return self._reject("malformed", 400, str(error))

    def _refuse_unread(self, request: web.BaseRequest) -> web.Response | None:
        """Answer what the head alone shows to be no review; None if the body has to be read."""
        if request.path not in PATHS:
            return self._reject("path", 404, f"not found; reviews go to {', '.join(sorted(PATHS))}")
        if request.method != "POST":
            return self._reject("method", 405, "only POST is served here", {"Allow": "POST"})
        if request.content_type != JSON or "Content-Encoding" in request.headers:
            return self._reject("media_type", 415, f"the body must be plain {JSON}")
        if not self._serving():
            return self._reject(
                "not_ready", 503, "no decision yet", {"Retry-After": "1"}, close=True
            )
        if (request.content_length or 0) > self._max_body:
            return self._too_large()
        return None

    def _admit(self, review: Request) -> web.Response:
        verdict = judge(review, self._held(), self._policy, now_ms=self._now_ms(), utc=self._utc())
        retry_after = None
        if verdict.retry is not None:
            retry_after = verdict.retry.jittered(self._chance())
        body = self._renderer.render(
            verdict, uid=review.uid, kind=review.kind.kind, retry_after=retry_after
        )
        self._metrics.count(verdict)
        if verdict.outcome is not Outcome.ADMITTED:
            self._log_denial(review, verdict)
        return web.Response(body=body, content_type=JSON)

    def _log_denial(self, review: Request, verdict: Verdict) -> None:
        self._log.info(
            verdict.outcome.value,
            tier=verdict.tier,
            reason=verdict.reason.value,
            why="" if verdict.entry is None else verdict.entry.reason,
            kind=review.kind.kind,
            namespace=review.namespace,
            name=review.display_name(),
            user=review.userInfo.username,
            uid=review.uid,
            dry_run=bool(review.dryRun),
        )

    def _too_large(self) -> web.Response:
        return self._reject("too_large", 413, f"larger than {self._max_body} bytes", close=True)

    def _reject(
        self,
        reason: str,
        status: int,
        message: str,
        headers: dict[str, str] | None = None,
        *,
        close: bool = False,
    ) -> web.Response:
        self._metrics.reject(reason)
        body = msgspec.json.encode({"error": message})
        response = web.Response(status=status, body=body, content_type=JSON, headers=headers)
        if close:
            response.force_close()
        return response

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        """Do as aiohttp's own factory does, with our limit on the body."""
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=self._max_body,
        )
