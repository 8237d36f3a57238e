"""The HTTP client: one query, with retries and further URLs inside one deadline."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import aiohttp
import tenacity

from shield_common.filewatch import fingerprint
from shield_common.tls.contexts import TLSError, client_context
from shield_evaluator.prometheus.range_query import RangeAnswer, Window, parse_range
from shield_evaluator.prometheus.response import Answer, PrometheusError, parse, parse_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from shield_evaluator.prometheus.settings import PrometheusSettings

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # 10,000 series with long labels; more is a wrong query
ROUNDS: Final = 2  # a second try of every URL covers a restart; a third would only add load

# Asking the same server again may help with these.
TRANSIENT: Final = {"timeout", "connection", "unavailable"}
# Another server would say the same; with anything else the next URL is asked.
FINAL: Final = {"bad_query", "wrong_type", "credentials"}

_STATUS_KINDS: Final = {
    400: "bad_query",
    401: "unauthorized",
    403: "unauthorized",
    422: "bad_query",
    429: "unavailable",
    500: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Request(Generic[T]):
    """What is asked, and how the answer is read."""

    path: str
    form: Mapping[str, str]
    read: Callable[[bytes], T]
    settings: PrometheusSettings  # as they were when the query began, URLs and token together


class PrometheusClient:
    """Sends queries as the settings say.

    Token, password and CA files are read at every query, a few bytes each, so that a rotated one
    counts from the next query on.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._tls: tuple[str, bytes, ssl.SSLContext] | None = None

    def apply_settings(self, settings: PrometheusSettings) -> None:
        """Go by other settings from the next query on."""
        self._settings = settings

    async def query(self, expression: str, *, budget: float) -> Answer:
        """Ask for an expression's present value.

        Args:
            expression: PromQL that gives an instant vector.
            budget: seconds for everything: all tries of all URLs.

        Raises:
            PrometheusError: no URL gave an answer in time; the last one's error.
        """
        form = {"query": expression}
        return await self._send(_Request("/api/v1/query", form, parse, self._settings), budget)

    async def query_range(self, expression: str, window: Window, *, budget: float) -> RangeAnswer:
        """Ask for an expression's values over a stretch of time.

        Args:
            expression: PromQL that gives an instant vector at each step.
            window: the stretch; longer ones have to be asked for piece by piece.
            budget: seconds for everything: all tries of all URLs.

        Raises:
            PrometheusError: as for `query`.
        """
        form = {
            "query": expression,
            "start": f"{window.start_ms / 1000:.3f}",
            "end": f"{window.end_ms / 1000:.3f}",
            "step": f"{window.step_ms / 1000:.3f}",
        }
        request = _Request("/api/v1/query_range", form, parse_range, self._settings)
        return await self._send(request, budget)

    async def _send(self, request: _Request[T], budget: float) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget
        servers = request.settings.urls
        urls = servers * ROUNDS
        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(len(urls)),
            wait=tenacity.wait_random(0, 0.05),  # seconds; spreads the signals' retries
            retry=lambda state: _worth_retrying(state, len(servers)),
            reraise=True,
        )
        try:
            async with asyncio.timeout_at(deadline):
                async for attempt in attempts:
                    with attempt:
                        number = attempt.retry_state.attempt_number - 1
                        # A frozen server may use up its share, not the next one's.
                        left = len(servers) - number % len(servers)
                        share = (deadline - loop.time()) / left
                        return await self._attempt(urls[number], request, share)
        except TimeoutError as error:
            raise PrometheusError("timeout", f"no answer within {budget:g}s") from error
        raise PrometheusError("timeout", f"no answer within {budget:g}s")

    async def close(self) -> None:
        """Drop all connections; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _attempt(self, url: str, request: _Request[T], seconds: float) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(url, request, seconds)
        except TimeoutError as error:
            raise PrometheusError("timeout", f"{url}: no answer within {seconds:.3g}s") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            raise PrometheusError("tls", f"{url}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PrometheusError("connection", f"{url}: {_in_words(error)}") from error

    async def _ask(self, url: str, request: _Request[T], seconds: float) -> T:
        form = {**request.form, "timeout": f"{max(round(seconds * 1000), 1)}ms"}
        settings = request.settings
        if settings.partial_response is not None:
            form["partial_response"] = "true" if settings.partial_response else "false"
        session = self._open()
        async with session.post(
            f"{url.rstrip('/')}{request.path}",
            data=form,
            headers={**settings.headers, **_authorization(settings)},
            allow_redirects=False,  # a redirect would carry the token to whoever sent it
            ssl=self._ssl_context(settings) or True,
        ) as response:
            body = await _read_bounded(response)
            if response.status == 200:  # noqa: PLR2004 - HTTP's OK
                return request.read(body)
            if response.status in range(300, 400):
                target = response.headers.get("Location", "nowhere")[:200]
                raise PrometheusError(
                    "redirect", f"{url}: redirects to {target}, which is not followed"
                )
            kind = _STATUS_KINDS.get(response.status, "status")
            message = f"{url}: HTTP {response.status} {parse_error(body)}".rstrip()
            raise PrometheusError(kind, message)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                trust_env=False,
                # Nothing is inflated: a small answer could be a large one in disguise.
                auto_decompress=False,
                headers={"User-Agent": "etcd-shield", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _ssl_context(self, settings: PrometheusSettings) -> ssl.SSLContext | None:
        if settings.ca_file is None:
            return None
        path = Path(settings.ca_file)
        mark = fingerprint([path])
        if self._tls is None or self._tls[:2] != (settings.ca_file, mark):
            try:
                self._tls = (settings.ca_file, mark, client_context(ca_file=path))
            except TLSError as error:
                raise PrometheusError("credentials", str(error)) from error
        return self._tls[2]


def _worth_retrying(state: tenacity.RetryCallState, servers: int) -> bool:
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, PrometheusError):
        return False
    another_is_left = state.attempt_number < servers
    return error.kind in TRANSIENT or (another_is_left and error.kind not in FINAL)


def _authorization(settings: PrometheusSettings) -> dict[str, str]:
    if settings.bearer_token_file is not None:
        return {"Authorization": f"Bearer {_secret(settings.bearer_token_file)}"}
    if settings.basic_auth is not None:
        password = _secret(settings.basic_auth.password_file)
        pair = f"{settings.basic_auth.username}:{password}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    return {}


def _secret(path: str) -> str:
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PrometheusError("credentials", f"{path}: cannot be read") from error
    if not secret or not secret.isprintable():
        raise PrometheusError("credentials", f"{path}: is empty or has control characters")
    return secret


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        response.close()
        raise PrometheusError("malformed", f"the answer is encoded ({encoding[:20]}), unasked")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            response.close()
            raise PrometheusError(
                "too_large", f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _in_words(error: Exception) -> str:
    """Say what went wrong with a connection, without what only aiohttp's users understand."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        # Numbers below zero are the resolver's; asyncio's own text for the others is no sentence.
        number = cause.errno or 0
        words = os.strerror(number) if number > 0 else cause.strerror or str(cause)
        return f"cannot connect: {words}"
    return str(error) or type(error).__name__
