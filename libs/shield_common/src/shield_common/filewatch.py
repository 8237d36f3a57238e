"""Noticing that files have changed.

By content, not by events or times: a Kubernetes ConfigMap or Secret swaps a symlink two levels up,
which inotify on the file misses, and a content that is the same needs no reload.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

# The kubelet refreshes mounted files about once a minute; two seconds on top are not noticed, and
# hashing a few KiB that often costs nothing.
POLL_SECONDS: Final = 2.0


class FileWatch:
    """Calls back when the content of any of some files has changed.

    ``as_read`` is the `fingerprint` from just before whoever needs the files read them; without it
    a change between that and now goes unnoticed.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        on_change: Callable[[], Awaitable[None]],
        *,
        every: float = POLL_SECONDS,
        as_read: bytes | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._on_change = on_change
        self._every = every
        self._seen = fingerprint(self._paths) if as_read is None else as_read

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.poll()

    async def poll(self) -> bool:
        """Look once; call back and return True if something changed."""
        now = fingerprint(self._paths)
        if now == self._seen:
            return False
        self._seen = now
        await self._on_change()
        return True


def fingerprint(paths: Sequence[Path]) -> bytes:
    """Digest the content of files; one that cannot be read counts as absent."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError:
            digest.update(b"-")
        else:
            digest.update(b"+%d:" % len(content))
            digest.update(content)
    return digest.digest()
