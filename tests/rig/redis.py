"""A Redis server, optionally with a password, ACL users or TLS, that stores nothing on disk."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from tests.rig.certificates import CertificateFiles
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.server import Server, program

_ADMIN_SECONDS = 5.0  # for one administrator's command on a busy machine


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """Differences from a plain Redis.

    Attributes:
        password: Of the default user; None admits every client.
        users: ACL lines without the leading `user`, e.g. `shield on >secret ~* &* +@all`.
        tls: Serve TLS only, with this certificate.
        client_certificates: With `tls`, refuse clients that show none of its CA.
        lines: More lines of redis.conf, e.g. `maxmemory 10mb`; they win over the rig's own.
    """

    password: str | None = None
    users: Sequence[str] = ()
    tls: CertificateFiles | None = None
    client_certificates: bool = False
    lines: Sequence[str] = ()


class RedisServer(Server):
    """One redis-server on loopback.

    Its data lives in memory: a second `start` begins empty, unless `options.lines` say otherwise.
    """

    def __init__(self, rig: Rig, name: str = "redis", options: RedisOptions | None = None) -> None:
        self.options = options or RedisOptions()
        super().__init__(rig, name)

    @property
    def url(self) -> str:
        """`redis://` or `rediss://`, without credentials."""
        scheme = "rediss" if self.options.tls else "redis"
        return f"{scheme}://{LOOPBACK}:{self.port}/0"

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        config = self.directory / "redis.conf"
        config.touch(mode=0o600)
        config.write_text("".join(f"{line}\n" for line in self._config_lines()))
        return [program("redis-server"), str(config)]

    async def is_ready(self) -> bool:
        """Whether it answers: it may demand a password, but it is not loading its data."""
        try:
            answer = await self._ping()
        except OSError:  # includes refused connections and failed TLS handshakes
            return False
        return answer.startswith((b"+PONG", b"-NOAUTH"))

    async def call(self, *words: str | int) -> Any:
        """Run one command as an administrator and return its answer, text instead of bytes.

        Raises:
            redis.RedisError: It was refused, or got no answer.
        """
        async with Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.options.password,
            protocol=2,
            decode_responses=True,
            socket_timeout=_ADMIN_SECONDS,
            **self._tls_arguments(),
        ) as client:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # untyped in redis-py

    def _tls_arguments(self) -> dict[str, Any]:
        tls = self.options.tls
        if tls is None:
            return {}
        return {
            "ssl": True,
            "ssl_ca_certs": str(tls.ca_file),
            "ssl_certfile": str(tls.cert_file),
            "ssl_keyfile": str(tls.key_file),
        }

    def _config_lines(self) -> list[str]:
        options = self.options
        lines = [
            f"bind {LOOPBACK}",
            f'dir "{self.directory}"',
            'save ""',
            "appendonly no",
            "maxmemory-policy noeviction",
        ]
        if options.tls is None:
            lines.append(f"port {self.port}")
        else:
            lines += [
                "port 0",
                f"tls-port {self.port}",
                f'tls-cert-file "{options.tls.cert_file}"',
                f'tls-key-file "{options.tls.key_file}"',
                f'tls-ca-cert-file "{options.tls.ca_file}"',
                f"tls-auth-clients {'yes' if options.client_certificates else 'no'}",
            ]
        if options.password is not None:
            lines.append(f"requirepass {options.password}")
        lines += [f"user {user}" for user in options.users]
        return [*lines, *options.lines]

    async def _ping(self) -> bytes:
        # Without a client library, which would log in, retry and keep connections.
        tls = self.options.tls
        # The rig's certificates are valid for clients too.
        context = tls.client_context() if tls is not None else None
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port, ssl=context)
        try:
            writer.write(b"PING\r\n")
            return await reader.readline()
        finally:
            writer.close()
