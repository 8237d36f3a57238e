"""Taking up a changed configuration file while running.

What a request is told, and how, follows the file at once. What was opened with the old values
(addresses, files, Redis, the cluster's name) needs a restart, and the log says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_admitter.settings import AdmitterSettings
from shield_common import logs
from shield_common.settings import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NEEDS_RESTART: Final = (
    "cluster",
    "listen",
    "tls",
    "redis",
    "metrics",
    "max_connections",
    "startup_grace",
)


class Reload:
    """Reads the file again and hands good settings on."""

    def __init__(
        self,
        path: Path,
        settings: AdmitterSettings,
        *,
        environment: Mapping[str, str],
        adopt: Callable[[AdmitterSettings], None],
        on_result: Callable[[str], None],
    ) -> None:
        """Take what is needed.

        Args:
            path: the configuration file.
            settings: what it said at start.
            environment: the process environment, which goes on to win over the file.
            adopt: takes good settings up.
            on_result: counts ``success`` and ``failure``.
        """
        self._path = path
        self._settings = settings
        self._environment = environment
        self._adopt = adopt
        self._on_result = on_result
        self._log = logs.get(__name__)

    async def __call__(self) -> None:
        """Read the file; a bad one keeps what is in force."""
        try:
            fresh = load(self._path, AdmitterSettings, environment=self._environment)
        except SettingsError as error:
            self._log.error("configuration refused, keeping the old one", problem=str(error))
            self._on_result("failure")
            return
        waiting = [n for n in NEEDS_RESTART if getattr(fresh, n) != getattr(self._settings, n)]
        if waiting:
            self._log.warning("configuration changed that needs a restart", settings=waiting)
        self._adopt(fresh)
        self._log.info("configuration reloaded")
        self._on_result("success")
