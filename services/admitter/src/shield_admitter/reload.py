"""Following the configuration file while running.

A file counts as a whole or not at all: what runs is always what one version of the file says. A
bad one, and one that changes what was opened with the old values and so needs a restart, leaves
everything as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_admitter.settings import AdmitterSettings
from shield_common import logs
from shield_common.config.loader import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SUCCESS: Final = "success"
FAILURE: Final = "failure"
RESTART_NEEDED: Final = "restart_needed"


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
            on_result: counts ``success``, ``failure`` and ``restart_needed``.
        """
        self._path = path
        self._settings = settings
        self._environment = environment
        self._adopt = adopt
        self._on_result = on_result
        self._log = logs.get(__name__)

    async def __call__(self) -> None:
        """Read the file and act; never raises."""
        result, problem = self._try()
        if problem is not None:
            self._log.error(
                "configuration not taken over, the old one stays in force", problem=problem
            )
        self._on_result(result)

    def _try(self) -> tuple[str, str | None]:
        try:
            fresh = load(self._path, AdmitterSettings, environment=self._environment)
        except SettingsError as error:
            return FAILURE, str(error)
        fixed = needing_restart(self._settings, fresh)
        if fixed:
            return RESTART_NEEDED, f"{', '.join(fixed)} cannot change without a restart"
        if fresh != self._settings:
            self._adopt(fresh)
            self._settings = fresh
            self._log.info("configuration reloaded")
        return SUCCESS, None


def needing_restart(old: AdmitterSettings, new: AdmitterSettings) -> list[str]:
    """Name the keys that differ and cannot change while running."""
    pairs = {
        "cluster": (old.cluster, new.cluster),
        "listen": (old.listen, new.listen),
        "tls": (old.tls, new.tls),
        "redis": (old.redis, new.redis),
        "metrics.listen": (old.metrics.listen, new.metrics.listen),
        "max_connections": (old.max_connections, new.max_connections),
        "startup_grace": (old.startup_grace, new.startup_grace),
        "log.format": (old.log.format, new.log.format),
    }
    return [key for key, (before, after) in pairs.items() if before != after]
