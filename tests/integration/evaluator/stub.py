"""A server that plays Prometheus as badly as a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from shield_common.tls.contexts import server_context
from tests.rig.certificates import CertificateFiles
from tests.rig.ports import LOOPBACK

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def vector(*values: float | str, warnings: list[str] | None = None) -> dict[str, Any]:
    """Return a successful answer, one member per value."""
    answer: dict[str, Any] = {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"instance": f"etcd-{number}:2379"}, "value": [1.5, str(value)]}
                for number, value in enumerate(values, 1)
            ],
        },
    }
    return answer if warnings is None else {**answer, "warnings": warnings}


@dataclass
class Stub:
    """Answers every query the same way; change `answer` for another one.

    Attributes:
        url: its base URL.
        requests: headers and form of every query so far.
    """

    answer: Answer
    url: str = ""
    requests: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.requests.append((dict(request.headers), form))
        return await self.answer(request)


@asynccontextmanager
async def serving(answer: Answer, *, tls: CertificateFiles | None = None) -> AsyncIterator[Stub]:
    """Serve on loopback until the end of the block."""
    stub = Stub(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.handle)
    server = TestServer(app, host=LOOPBACK, scheme="https" if tls else "http")
    if tls is None:
        await server.start_server(shutdown_timeout=0.1)
    else:
        context = server_context(tls.cert_file, tls.key_file)
        await server.start_server(ssl=context, shutdown_timeout=0.1)
    stub.url = str(server.make_url("")).rstrip("/")
    try:
        yield stub
    finally:
        await server.close()


def json(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Answer with a JSON document."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def raw(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Answer with these bytes."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def frozen(_request: web.Request) -> web.StreamResponse:
    """Take the query and never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def dripping(request: web.Request) -> web.StreamResponse:
    """Answer a byte at a time, without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer with more than anyone could want."""
    response = web.StreamResponse()
    await response.prepare(request)
    chunk = b" " * 65_536
    for _ in range(16_384):  # 1 GiB
        await response.write(chunk)
    return response
