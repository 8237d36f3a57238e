"""The admitter and the servers that it is compared with, all on one core and over the same TLS."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from tests.rig.certificates import CertificateFiles
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.server import Server, program
from tests.rig.services import Admitter

GO_SOURCES = Path(__file__).with_name("go")
_CONSTANT = '{"apiVersion":"admission.k8s.io/v1","response":{"uid":"0","allowed":true}}'
# The servers share one core, and the load has the other.
SERVER_CORE, LOAD_CORE = 0, 1


def pinned(core: int, command: list[str]) -> list[str]:
    """Return a command that stays on one core, if there are two and `taskset` is installed."""
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) < 2:
        return command
    return [taskset, "--cpu-list", str(core), *command]


class Contestant(Server):
    """A server that answers POSTs over TLS.

    Args:
        rig: Ends it at the latest.
        name: What tables and messages call it.
        certificate: What it serves with.
    """

    path = "/validate?timeout=10s"

    def __init__(self, rig: Rig, name: str, certificate: CertificateFiles) -> None:
        self.certificate = certificate
        super().__init__(rig, name)

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    async def is_ready(self) -> bool:
        return await listens(self.port)


class GoServer(Contestant):
    """One of the programs under `go/`, already compiled."""

    def __init__(self, rig: Rig, name: str, certificate: CertificateFiles, binary: Path) -> None:
        self._binary = binary
        super().__init__(rig, name, certificate)

    def command(self) -> list[str]:
        files = ["-cert", str(self.certificate.cert_file), "-key", str(self.certificate.key_file)]
        address = f"{LOOPBACK}:{self.port}"
        # Go reads the CPU affinity, so GOMAXPROCS is 1.
        return pinned(SERVER_CORE, [str(self._binary), "-address", address, *files])


class Yardstick(Contestant):
    """A hand-written asyncio protocol that only decodes."""

    def command(self) -> list[str]:
        root = Path(__file__).resolve().parents[2]
        files = [str(self.certificate.cert_file), str(self.certificate.key_file)]
        start = f"import runpy, sys; sys.path.insert(0, {str(root)!r}); "
        run = "runpy.run_module('tests.bench.yardstick', run_name='__main__')"
        return pinned(SERVER_CORE, [sys.executable, "-c", start + run, str(self.port), *files])


class Nginx(Contestant):
    """nginx, which reads the body and answers a constant: the cost of HTTP and TLS alone."""

    def command(self) -> list[str]:
        config = self.directory / "nginx.conf"
        config.write_text(
            f"""
worker_processes 1;
daemon off;
pid {self.directory}/nginx.pid;
error_log {self.directory}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {self.directory}/body;
  proxy_temp_path {self.directory}/proxy;
  fastcgi_temp_path {self.directory}/fastcgi;
  uwsgi_temp_path {self.directory}/uwsgi;
  scgi_temp_path {self.directory}/scgi;
  client_max_body_size 16m;
  client_body_buffer_size 16m;
  keepalive_requests 10000000;
  server {{
    listen {LOOPBACK}:{self.port} ssl;
    ssl_certificate {self.certificate.cert_file};
    ssl_certificate_key {self.certificate.key_file};
    location / {{
      default_type application/json;
      return 200 '{_CONSTANT}';
    }}
  }}
}}
"""
        )
        return pinned(SERVER_CORE, [program("nginx"), "-p", str(self.directory), "-c", str(config)])


class PinnedAdmitter(Admitter):
    """`shield-admitter run` on the servers' core."""

    path = "/validate?timeout=10s"

    def command(self) -> list[str]:
        return pinned(SERVER_CORE, super().command())


async def listens(port: int) -> bool:
    """Whether a server accepts connections on this port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
