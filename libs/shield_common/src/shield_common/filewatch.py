"""Notices changes of files by their content.

Events and times do not serve: Kubernetes swaps a symlink two levels above the files of a ConfigMap
or Secret, which inotify on the file misses, and unchanged content needs no reload.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

# The kubelet refreshes mounted files about once a minute; two more seconds do not matter, and
# hashing a few KiB every two seconds costs next to nothing.
POLL_SECONDS: Final = 2.0
# A configuration file has at most as many (`config.loader.MAX_FILE_BYTES`), and no certificate or
# password has more; the bound keeps a wrong path, such as a device, from filling the memory.
MAX_BYTES: Final = 1024 * 1024


class FileWatch:
    """Calls back when the content of one of its files has changed.

    Args:
        paths: the files.
        on_change: called after every change.
        every: seconds between two looks at the files.
        last_seen: the `fingerprint` from just before the files were first read; without it a change
            between that moment and now is missed.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        on_change: Callable[[], Awaitable[None]],
        *,
        every: float = POLL_SECONDS,
        last_seen: bytes | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._on_change = on_change
        self._every = every
        self._seen = fingerprint(self._paths) if last_seen is None else last_seen

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.poll()

    async def poll(self) -> bool:
        """Check once; call back and return True if a file changed."""
        now = fingerprint(self._paths)
        if now == self._seen:
            return False
        self._seen = now
        await self._on_change()
        return True


def fingerprint(paths: Sequence[Path]) -> bytes:
    """Digest the first `MAX_BYTES` of files; one that cannot be read counts as absent."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES)
        except OSError:
            digest.update(b"-")
        else:
            digest.update(b"+%d:" % len(content))
            digest.update(content)
    return digest.digest()
