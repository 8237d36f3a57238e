"""The server for metrics and probes that both services run beside their main work.

Liveness says that the event loop turns, and nothing about the outside: restarting a process does
not mend Redis. Readiness is the service's own answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web
from prometheus_client import disable_created_metrics
from prometheus_client.exposition import choose_encoder

from shield_common.config.loader import SettingsStruct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry

# The library's `_created` series would double the number of counters; nobody reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]

SHUTDOWN_SECONDS: Final = 1.0  # a scrape or a probe that takes longer is not worth waiting for
MAX_PORT: Final = 65535


class MetricsSettings(SettingsStruct, frozen=True, kw_only=True):
    """Where metrics and probes are served.

    Attributes:
        listen: ``host:port``; plain HTTP.
    """

    listen: str = "0.0.0.0:9100"

    def __post_init__(self) -> None:
        """Refuse what is not an address."""
        try:
            parse_address(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from error


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a service wants traffic, and what it knows about each thing that it looks at.

    Attributes:
        ready: the answer.
        checks: name of a thing -> ``ok`` or what is wrong with it.
    """

    ready: bool
    checks: Mapping[str, str] = field(default_factory=dict)


def parse_address(text: str) -> tuple[str, int]:
    """Split ``host:port`` (``[::1]:9100`` for IPv6).

    Raises:
        ValueError: it is not of that form.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > MAX_PORT:
        raise ValueError(f"{text!r} is not host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def probes_app(
    *,
    registry: CollectorRegistry,
    readiness: Callable[[], Readiness],
    routes: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Build the application: ``/metrics``, ``/livez``, ``/readyz``, ``/healthz``.

    Args:
        registry: what ``/metrics`` shows.
        readiness: asked at every ``/readyz`` and ``/healthz``; must not block.
        routes: a service's own additions.
    """

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        answer = readiness()
        return web.Response(
            status=200 if answer.ready else 503,
            body=msgspec.json.encode({"ready": answer.ready, "checks": answer.checks}),
            content_type="application/json",
        )

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/livez", live),
            web.get("/readyz", ready),
            web.get("/healthz", ready),
            *routes,
        ]
    )
    return app


class ProbesServer:
    """Serves an application on an address until stopped."""

    def __init__(self, app: web.Application, *, listen: str) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        self._listen = listen

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be bound.
        """
        host, port = parse_address(self._listen)
        await self._runner.setup()
        await web.TCPSite(self._runner, host or None, port).start()

    async def stop(self) -> None:
        """Stop listening and drop what is open."""
        await self._runner.cleanup()
