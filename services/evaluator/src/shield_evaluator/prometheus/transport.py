"""One HTTP request to one server: credentials, TLS, bounds, and the classes of errors."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import aiohttp

from shield_common.filewatch import fingerprint
from shield_common.tls.contexts import TLSError, client_context
from shield_evaluator.prometheus.completeness import header_incompleteness
from shield_evaluator.prometheus.response import PrometheusError, parse_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from shield_evaluator.prometheus.settings import PrometheusSettings

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # 10,000 series with long labels; more is a wrong query

# Every server would answer the same; on any other error the next one is asked.
FINAL: Final = {"bad_query", "wrong_type", "credentials"}

_OK: Final = 200
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
# A proxy that allows reading only answers a POST with one of these: not found where it chooses a
# route by the method, else forbidden, not allowed, without a length, an unknown type or not
# implemented. Prometheus' own clients then send the query as a GET
# (https://github.com/prometheus/client_golang/issues/1619).
_NO_POST: Final = {403, 404, 405, 411, 415, 501}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request to the API.

    Attributes:
        path: below the base URL.
        form: parameters of the request.
        decode: decodes the body, with remarks from the headers on the answer's completeness.
        settings: as they were when the request began, URLs and token together.
        satisfies: whether the answer makes asking a further URL unnecessary.
        method: ``POST`` falls back to ``GET`` where it is not allowed.
    """

    path: str
    form: Mapping[str, str]
    decode: Callable[[bytes, tuple[str, ...]], T]
    settings: PrometheusSettings
    satisfies: Callable[[T], bool] = lambda _answer: True
    method: str = "POST"


class Transport:
    """Sends requests to one server at a time.

    Token, password and CA files are read for every request, a few bytes each, so that a rotated
    one is used from the next request on.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._tls: tuple[str, bytes, ssl.SSLContext] | None = None
        # Servers that have answered a GET after refusing a POST.
        self._without_post: set[str] = set()

    async def send(self, url: str, request: Request[T], seconds: float) -> T:
        """Send a request.

        Args:
            url: the server's base URL.
            request: what to send.
            seconds: for everything.

        Raises:
            PrometheusError: there was no usable answer in time.
        """
        try:
            async with asyncio.timeout(seconds):
                if request.method == "GET":
                    return await self._ask("GET", url, request, seconds)
                if url in self._without_post:
                    return await self._ask_again_by_get(url, request, seconds)
                try:
                    return await self._ask("POST", url, request, seconds)
                except _PostNotAllowedError as refused:
                    try:
                        answer = await self._ask("GET", url, request, seconds)
                    except PrometheusError as error:
                        raise error if error.kind in FINAL else refused from error
                    self._without_post.add(url)
                    return answer
        except TimeoutError as error:
            raise PrometheusError("timeout", f"{url}: no answer within {seconds:.3g}s") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            raise PrometheusError("tls", f"{url}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PrometheusError("connection", f"{url}: {_connection_problem(error)}") from error

    async def _ask_again_by_get(self, url: str, request: Request[T], seconds: float) -> T:
        try:
            return await self._ask("GET", url, request, seconds)
        except PrometheusError as error:
            # Another server may answer there now, so the next query is a POST again.
            if error.kind in {"status", "unauthorized"}:
                self._without_post.discard(url)
            raise

    async def _ask(self, method: str, url: str, request: Request[T], seconds: float) -> T:
        form = {**request.form, "timeout": f"{max(round(seconds * 1000), 1)}ms"}
        settings = request.settings
        if settings.partial_response is not None:
            form["partial_response"] = "true" if settings.partial_response else "false"
        async with self._open().request(
            method,
            f"{url.rstrip('/')}{request.path}",
            data=form if method == "POST" else None,
            params=form if method == "GET" else None,
            headers={**settings.headers, **_authorization(settings)},
            allow_redirects=False,  # a redirect would carry the token to another host
            ssl=self._ssl_context(settings) or True,
        ) as response:
            body = await _read_bounded(response)
            if response.status == _OK:
                return request.decode(body, header_incompleteness(response.headers))
            if response.status in range(300, 400):
                target = response.headers.get("Location", "nowhere")[:200]
                raise PrometheusError(
                    "redirect", f"{url}: redirects to {target}, which is not followed"
                )
            kind = _STATUS_KINDS.get(response.status, "status")
            message = f"{url}: HTTP {response.status} {parse_error(body)}".rstrip()
            if method == "POST" and response.status in _NO_POST:
                raise _PostNotAllowedError(kind, message)
            raise PrometheusError(kind, message)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                trust_env=False,
                # Nothing is decompressed: a small body could expand to any size.
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

    async def close(self) -> None:
        """Drop all connections; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _PostNotAllowedError(PrometheusError):
    """The server may answer a GET; `Transport` tries it."""


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
        raise PrometheusError(
            "malformed", f"the answer is encoded ({encoding[:20]}), which was not asked for"
        )
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


def _connection_problem(error: Exception) -> str:
    """Return what went wrong with a connection, without aiohttp's own terms."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        # Numbers below zero are the resolver's. For the others asyncio's text is no sentence.
        number = cause.errno or 0
        text = os.strerror(number) if number > 0 else cause.strerror or str(cause)
        return f"cannot connect: {text}"
    return str(error) or type(error).__name__
