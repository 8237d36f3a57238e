"""The log of a store's outages: one line for each kind of failure until the store answers again.

A service speaks to the store in several places, which all fail when it is away. They share one
`OutageLog`, so that an outage is one line and not one for each place and each try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common import logs

if TYPE_CHECKING:
    from shield_common.store.protocol import StoreError

# Each place needs rights of its own, so what one of them lacks is news after another's lack.
PER_SOURCE: Final = frozenset({"permission"})


class OutageLog:
    """Logs when a store begins to fail, and when everything works again."""

    def __init__(self) -> None:
        self._log = logs.get(__name__)
        self._failing: dict[str, set[tuple[str, str]]] = {}  # source -> logged kinds
        self._not_retrying: set[str] = set()

    def failed(self, source: str, error: StoreError, *, retries: bool = True) -> None:
        """Log a failure, unless its kind has been logged in this outage.

        Args:
            source: the place that failed.
            error: what happened.
            retries: whether the source tries again by itself. If not, the next answer to any
                source ends its part of the outage too.
        """
        kind = (error.kind, source if error.kind in PER_SOURCE else "")
        known = any(kind in kinds for kinds in self._failing.values())
        self._failing.setdefault(source, set()).add(kind)
        if not retries:
            self._not_retrying.add(source)
        if not known:
            self._log.warning(
                "the store does not answer", source=source, kind=error.kind, problem=str(error)
            )

    def answered(self, source: str) -> None:
        """Log the end of the outage if no other source is still failing."""
        if not self._failing:
            return
        for ended in (source, *self._not_retrying):
            self._failing.pop(ended, None)
        self._not_retrying.clear()
        if not self._failing:
            self._log.info("the store answers again")
