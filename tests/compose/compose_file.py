"""docker-compose.yml as typed data: the part of the Compose Specification that it uses.

A key that is not declared here is an error, and so is a typing mistake in it. Source:
https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct, field

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")


class _Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """Nothing that is not declared."""


class Build(_Strict):
    context: str
    dockerfile: str
    args: list[str]


class Healthcheck(_Strict):
    """`test` is the image's own where it is not given."""

    test: list[str] | None = None
    interval: str | None = None
    timeout: str | None = None
    retries: int | None = None
    start_period: str | None = None
    disable: bool = False


class Dependency(_Strict):
    condition: Literal["service_healthy", "service_completed_successfully"]


class Service(_Strict):
    image: str
    user: str
    read_only: Literal[True]
    cap_drop: list[Literal["ALL"]]
    security_opt: list[str]
    cap_add: list[str] = []
    build: Build | None = None
    profiles: list[str] = []
    network_mode: Literal["none"] | None = None
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    working_dir: str | None = None
    environment: list[str] | dict[str, str] = field(default_factory=list)
    tmpfs: list[str] = []
    volumes: list[str] = []
    ports: list[str] = []
    depends_on: dict[str, Dependency] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    stop_grace_period: str | None = None

    @property
    def mounts(self) -> list[tuple[str, str, str]]:
        """Each of `volumes` as source, target and options."""
        return [(source, target, options) for source, target, options in map(_mount, self.volumes)]


class ComposeFile(_Strict):
    services: dict[str, Service]
    volumes: dict[str, None]


def raw_text() -> str:
    """Return the file as it stands."""
    return COMPOSE_FILE.read_text(encoding="utf-8")


def read(environment: Mapping[str, str] | None = None) -> ComposeFile:
    """Return the file with its variables replaced; without an environment by their defaults.

    Raises:
        msgspec.ValidationError: It has a key that compose does not know, or a wrong value.
    """
    known = environment or {}
    text = _VARIABLE.sub(lambda m: known.get(m["name"]) or m["default"], raw_text())
    document: dict[str, Any] = yaml.safe_load(text)
    extensions = {key for key in document if key.startswith("x-")}
    return msgspec.convert({k: v for k, v in document.items() if k not in extensions}, ComposeFile)


def _mount(text: str) -> tuple[str, str, str]:
    source, target, *options = text.split(":")
    return source, target, ":".join(options)
