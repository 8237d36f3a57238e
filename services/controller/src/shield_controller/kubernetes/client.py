"""Requests to the API server, bounded in time and size.

Belongs here: credentials, addresses, deadlines, and how an answer that is no success is reported.
Credentials, kubeconfig files and TLS are kubernetes_asyncio's; its generated classes are not used,
since they neither ask for metadata only nor tell the answers apart that a release needs
(docs/adr/0125-kubernetes-asyncio-for-credentials-only.md).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import asynccontextmanager
from datetime import MAXYEAR, UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from kubernetes_asyncio import config as kubernetes_config
from kubernetes_asyncio.client import ApiClient, Configuration
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from shield_controller.settings import KubernetesSettings

T = TypeVar("T")

REQUEST_SECONDS: Final = 15.0  # Tekton's webhook has 10 s, and ours 3, inside of one patch
CONNECT_SECONDS: Final = 5.0
# A page of 250 runs' metadata has about 5 MiB; a run itself at most 3 MiB.
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# Retry-After of an API server that is overloaded; more is not believed.
MAX_RETRY_AFTER: Final = 60.0
NO_ANSWER: Final = 0  # in place of an HTTP status

METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
JSON: Final = "application/json"
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"


class KubernetesError(Exception):
    """The API server did not do what was asked; the caller's loop counts it and goes on.

    Attributes:
        status: the HTTP status; `NO_ANSWER` if there was none.
        retry_after: seconds that the API server asks for; None if it does not.
    """

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class _Status(Struct, frozen=True):
    message: str = ""


class KubernetesClient:
    """A client of one API server; connects at the first request."""

    def __init__(
        self,
        settings: KubernetesSettings,
        *,
        in_cluster: bool | None = None,
        on_request: Callable[[str, int], None] = lambda _verb, _status: None,
    ) -> None:
        """Store the settings; nothing is opened yet.

        Args:
            settings: where the API server is.
            in_cluster: whether to use the pod's service account; by default if no kubeconfig file
                is set.
            on_request: called with the verb and the HTTP status of every answer.
        """
        self._settings = settings
        self._in_cluster = settings.kubeconfig is None if in_cluster is None else in_cluster
        self._on_request = on_request
        self._api: ApiClient | None = None
        self._connecting = asyncio.Lock()
        self._server_clock: tuple[datetime, float] | None = None

    @property
    def now(self) -> datetime:
        """The API server's wall clock, from the `Date` of its last answer; ours before the first.

        Ages of runs count on it: their creation times were written by that clock.
        """
        if self._server_clock is None:
            return datetime.now(UTC)
        at, then = self._server_clock
        return at + timedelta(seconds=time.monotonic() - then)

    async def request(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """Send one request and return the body of a successful answer.

        Args:
            verb: the HTTP method.
            path: quoted already.
            query: parameters.
            body: sent as JSON.
            content_type: of the body.
            accept: the wanted form of the answer.

        Raises:
            KubernetesError: any other answer, or none.
        """
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS)
        headers = {"Accept": accept, "Content-Type": content_type}
        async with self._answer(verb, path, query, headers, body, timeout) as response:
            return await _read(response)

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch, whose lines the caller iterates over.

        Args:
            path: quoted already.
            query: parameters.
            accept: the wanted form of the lines.
            seconds: after which the stream ends in any case.

        Raises:
            KubernetesError: on entering: the watch was refused; on iterating: it broke.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
        headers = {"Accept": accept}
        async with self._answer("GET", path, query, headers, None, timeout) as response:
            yield _lines(response)

    async def close(self) -> None:
        """Close all connections; idempotent."""
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    @asynccontextmanager
    async def _answer(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        body: object,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own deadline, of several parts
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        response: aiohttp.ClientResponse | None = None
        try:
            api = await self._connected()
            response = await api.call_api(
                path,
                verb,
                query_params=list((query or {}).items()),
                header_params=dict(headers),
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=timeout,
            )
            self._note(verb, response)
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise await _error(response)
            yield response
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            if response is None:
                self._on_request(verb, NO_ANSWER)
            if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
                await self.close()  # the CA file may be another one now
            problem = str(error) or type(error).__name__
            raise KubernetesError(NO_ANSWER, f"no answer: {problem}") from error
        except KubernetesError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                await self.close()  # credentials are read again at the next connect
            raise
        finally:
            if response is not None:
                response.close()

    def _note(self, verb: str, response: aiohttp.ClientResponse) -> None:
        self._on_request(verb, response.status)
        try:
            at = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError, OverflowError):
            return
        # Not the calendar's last year, because `now` adds to it.
        if at.tzinfo is not None and at.year < MAXYEAR:
            self._server_clock = (at, time.monotonic())

    async def _connected(self) -> ApiClient:
        async with self._connecting:
            if self._api is None:
                try:
                    self._api = await self._connect()
                except (kubernetes_config.ConfigException, OSError, ValueError) as error:
                    raise KubernetesError(NO_ANSWER, f"no credentials: {error}") from error
                except Exception as error:  # the library raises anything for a misshapen file
                    # Its message may quote the file, and so a token.
                    problem = f"the kubeconfig is malformed ({type(error).__name__})"
                    raise KubernetesError(NO_ANSWER, f"no credentials: {problem}") from error
            return self._api

    async def _connect(self) -> ApiClient:
        configuration = Configuration()
        if self._in_cluster:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        else:
            await kubernetes_config.load_kube_config(
                config_file=self._settings.kubeconfig,
                context=self._settings.context,
                client_configuration=configuration,
                persist_config=False,
            )
        api = ApiClient(configuration)
        api.user_agent = "etcd-shield-controller"
        return api


def own_namespace(service_account: Path = SERVICE_ACCOUNT) -> str | None:
    """Return the namespace of this pod; None outside of a cluster."""
    try:
        return (service_account / "namespace").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in response.content:
        if line.strip():
            yield line


async def _error(response: aiohttp.ClientResponse) -> KubernetesError:
    try:
        message = msgspec.json.decode(await _read(response), type=_Status).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = ""
    return KubernetesError(
        response.status,
        message or f"{response.status} {response.reason}",
        retry_after=_retry_after(response.headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    if not text.isascii() or not text.isdigit():
        return None
    return min(float(text), MAX_RETRY_AFTER)


def decode_answer(document: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Decode an answer.

    Raises:
        KubernetesError: it has another form.
    """
    try:
        return msgspec.json.decode(document, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KubernetesError(NO_ANSWER, f"an answer of another form: {error}") from error
