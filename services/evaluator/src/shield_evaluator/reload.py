"""Following the configuration file while running.

A file counts as a whole or not at all: what runs is always what one version of the file says. A
bad one, and one that changes what only a restart can change, leaves everything as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.config.loader import SettingsError, load
from shield_evaluator.settings import EvaluatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SUCCESS: Final = "success"
FAILURE: Final = "failure"
RESTART_NEEDED: Final = "restart_needed"
RESULTS: Final = (SUCCESS, FAILURE, RESTART_NEEDED)


class Reloader:
    """Reads the file again and hands good settings on.

    Attributes:
        settings: what is in force.
        problem: why the file's present content is not in force; None when it is.
    """

    def __init__(
        self,
        path: Path,
        settings: EvaluatorSettings,
        *,
        environment: Mapping[str, str],
        apply: Callable[[EvaluatorSettings], None],
        on_result: Callable[[str], None],
    ) -> None:
        self._path = path
        self._environment = environment
        self._apply = apply
        self._on_result = on_result
        self._log = logs.get(__name__)
        self.settings = settings
        self.problem: str | None = None

    async def reload(self) -> None:
        """Read the file and act; never raises."""
        result, self.problem = self._try()
        if self.problem is not None:
            self._log.error(
                "configuration not taken over, the old one stays in force", problem=self.problem
            )
        self._on_result(result)

    def _try(self) -> tuple[str, str | None]:
        try:
            fresh = load(self._path, EvaluatorSettings, environment=self._environment)
        except SettingsError as error:
            return FAILURE, str(error)
        fixed = needing_restart(self.settings, fresh)
        if fixed:
            return RESTART_NEEDED, f"{', '.join(fixed)} cannot change without a restart"
        if fresh != self.settings:
            self._apply(fresh)
            self.settings = fresh
        return SUCCESS, None


def needing_restart(old: EvaluatorSettings, new: EvaluatorSettings) -> list[str]:
    """Name the keys that differ and cannot change while running."""
    pairs = {
        "cluster": (old.cluster, new.cluster),
        "redis": (old.redis, new.redis),
        "metrics.listen": (old.metrics.listen, new.metrics.listen),
        "log.format": (old.log.format, new.log.format),
    }
    return [key for key, (before, after) in pairs.items() if before != after]
