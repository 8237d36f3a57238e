"""An API server that answers as it is told: what a real one does too rarely for a test."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shield_controller.kubernetes.client import KubernetesClient
from shield_controller.settings import KubernetesSettings
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
RUNS = "/apis/tekton.dev/v1/pipelineruns"


@dataclass
class Stub:
    """The server.

    Attributes:
        url: Its base URL.
        answers: What the next requests get, one each; beyond them 500.
        requests: Method, path with query, and headers of each request.
        bodies: The parsed body of each request that had one.
    """

    url: str
    answers: deque[Answer] = field(default_factory=deque)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, dict(request.headers)))
        if request.can_read_body:
            self.bodies.append(await request.json())
        if not self.answers:
            return web.json_response({"message": "no further answer"}, status=500)
        return await self.answers.popleft()(request)


def says(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Answer with an object."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def bytes_of(content: bytes, *, status: int = 200) -> Answer:
    """Answer with bytes."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=content, content_type="application/json")

    return answer


def streams(*lines: Any, then_break: bool = False) -> Answer:
    """Answer with the lines of a watch, then end it, or break the connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(json.dumps(line).encode() + b"\n")
        if then_break and request.transport is not None:
            request.transport.abort()
        return response

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    await asyncio.sleep(0)
    return web.Response()


@asynccontextmanager
async def stub_server(rig: Rig) -> AsyncIterator[tuple[Stub, KubernetesClient]]:
    """Serve a stub, with a client for it."""
    port = rig.ports.reserve()
    stub = Stub(f"http://{LOOPBACK}:{port}")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    kubeconfig = rig.directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(stub.url)))
    client = KubernetesClient(KubernetesSettings(kubeconfig=str(kubeconfig)))
    try:
        yield stub, client
    finally:
        await client.close()
        await runner.cleanup()


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stub", "cluster": {"server": url}}],
        "users": [{"name": "admin", "user": {"token": "secret"}}],
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "admin"}}],
        "current-context": "stub",
    }
