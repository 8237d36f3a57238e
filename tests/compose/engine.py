"""The Docker engine and its compose command, as a person would call them."""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence

from tests.compose.compose_file import ROOT
from tests.rig.errors import RigError
from tests.rig.ports import LOOPBACK

PROJECT = "etcd-shield-rehearsal"
PORTS = ("ETCD", "PROMETHEUS", "EVALUATOR", "WEBHOOK", "ALERTMANAGER", "GRAFANA")
_COMMAND_SECONDS = 900.0


class EngineError(RigError):
    """There is no engine, or it did not do what it was asked; the message ends with its words."""


class Engine:
    """The engine that `docker` talks to, and one compose project on it.

    Raises:
        EngineError: None answers, or there is no compose.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        ports = {f"{name}_PORT": str(_free_port()) for name in PORTS}
        self.environment = {
            **os.environ,
            **ports,
            "COMPOSE_PROJECT_NAME": PROJECT,
            **(environment or {}),
        }
        _require_engine(self.environment)
        self._compose = _compose_command(self.environment)

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run `docker …` and return what it prints.

        Raises:
            EngineError: It failed, unless `check` is false.
        """
        return self._run(["docker", *arguments], check=check)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose …` in the checkout and return what it prints.

        Raises:
            EngineError: It failed, unless `check` is false.
        """
        return self._run([*self._compose, *arguments], check=check)

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image of that name."""
        return bool(self.docker("image", "ls", "--quiet", name).strip())

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def url(self, name: str) -> str:
        """Return the address that a service is published at."""
        return f"http://{LOOPBACK}:{self.environment[f'{name}_PORT']}"

    def _run(self, command: Sequence[str], *, check: bool) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode:
            raise EngineError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout


def _require_engine(environment: Mapping[str, str]) -> None:
    if shutil.which("docker") is None:
        raise EngineError("docker is not installed (Debian: docker.io and docker-compose).")
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise EngineError(
            "No Docker engine answers; start one, and set DOCKER_HOST unless it listens where "
            f"docker expects it (docs/compose.md). docker says: {asked.stderr.strip()}"
        )


def _compose_command(environment: Mapping[str, str]) -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        asked = subprocess.run(
            [*command, "version"], env=dict(environment), capture_output=True, check=False
        )
        if asked.returncode == 0:
            return command
    raise EngineError("Neither `docker compose` nor docker-compose is installed.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
