"""Reloading a settings file in a running process.

A file is applied as a whole or not at all, so that the settings in force are always those of one
version of the file. A bad file, and one that changes a key which only a restart can change, leave
the old settings in force. When the file has changed is noticed by `shield_common.filewatch`.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from shield_common import logs
from shield_common.config.loader import SettingsError, SettingsStruct, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Settings = TypeVar("Settings", bound=SettingsStruct)

SUCCESS: Final = "success"
FAILURE: Final = "failure"
RESTART_NEEDED: Final = "restart_needed"
RELOAD_RESULTS: Final = (SUCCESS, FAILURE, RESTART_NEEDED)


class SettingsReloader(Generic[Settings]):
    """Reads a settings file again and applies it if it is good.

    Attributes:
        settings: the settings in force.
        problem: why the file's present content is not in force; None when it is. For readiness
            and status: operators do not read the log of a change that seemed to work.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        *,
        restart_keys: Sequence[str],
        environment: Mapping[str, str],
        apply_settings: Callable[[Settings], None],
        on_result: Callable[[str], None],
    ) -> None:
        """Store the collaborators; nothing is read yet.

        Args:
            path: the settings file.
            settings: what the file contained at start.
            restart_keys: dotted keys that cannot change in a running process, for example
                ``metrics.listen``.
            environment: the process environment, which overrides the file as at start.
            apply_settings: called with settings that are good and differ from those in force.
            on_result: called after each reload with one of `RELOAD_RESULTS`, to be counted.
        """
        self._path = path
        self._restart_keys = tuple(restart_keys)
        self._environment = environment
        self._apply_settings = apply_settings
        self._on_result = on_result
        self._log = logs.get(__name__)
        self.settings = settings
        self.problem: str | None = None

    async def reload(self) -> None:
        """Read the file and apply it, or log why not; never raises."""
        result, self.problem = self._try_reload()
        if self.problem is not None:
            self._log.error(
                "configuration refused, keeping the old configuration", problem=self.problem
            )
        self._on_result(result)

    def _try_reload(self) -> tuple[str, str | None]:
        try:
            fresh = load(self._path, type(self.settings), environment=self._environment)
        except SettingsError as error:
            return FAILURE, str(error)
        fixed = [key for key in self._restart_keys if self._differs(key, fresh)]
        if fixed:
            return RESTART_NEEDED, f"{', '.join(fixed)} cannot change without a restart"
        if fresh != self.settings:
            self._apply_settings(fresh)
            self.settings = fresh
            self._log.info("configuration reloaded")
        return SUCCESS, None

    def _differs(self, key: str, fresh: Settings) -> bool:
        value_of = attrgetter(key)
        return bool(value_of(self.settings) != value_of(fresh))
