"""A body on its way: what has arrived of it, in memory that was set aside for it.

One that came whole with its head is never here. Which bytes are whose, and what happens while a
body waits for memory, is the connection's.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

from shield_admitter.http.budget import SMALL, STEP
from shield_admitter.http.chunks import ChunkedBody

if TYPE_CHECKING:
    from shield_admitter.http.budget import Share


class Progress(enum.Enum):
    """What became of bytes."""

    COMPLETE = enum.auto()  # the body is whole; `rest` lies behind it
    PARTIAL = enum.auto()  # all were taken, there are more to come
    QUEUED = enum.auto()  # there is no memory for `rest`; its share stands in line


class Body(Protocol):
    """A body on its way.

    Attributes:
        content: what has arrived; whole when it is complete.
        rest: bytes that were not taken.
    """

    rest: bytes

    @property
    def content(self) -> bytearray:
        """What has arrived; whole when it is complete."""
        ...

    def feed(self, data: bytes) -> Progress:
        """Take bytes; after QUEUED again, once there is memory."""
        ...

    def drop(self) -> None:
        """Give its memory back."""
        ...


class DeclaredBody:
    """A body of known length, which the transport fills without a copy.

    Attributes:
        content: so much of it as there is memory for; whole when it is complete.
        rest: bytes that were not taken.
    """

    __slots__ = ("_length", "_received", "_share", "_view", "content", "rest")

    def __init__(self, length: int, share: Share) -> None:
        self._length = length
        self._share = share
        self._received = 0
        self.content = bytearray(min(length, SMALL))
        self._view = memoryview(self.content)
        self.rest = b""

    def room(self) -> memoryview:
        """Return where the next bytes go."""
        return self._view[self._received :]

    def arrived(self, count: int) -> Progress:
        """Take bytes that were put into `room`."""
        self._received += count
        return Progress.PARTIAL if self._received < len(self.content) else self.feed(b"")

    def feed(self, data: bytes) -> Progress:
        """Take bytes; after QUEUED again, once there is memory."""
        while True:
            part = data[: len(self.content) - self._received]
            end = self._received + len(part)
            self._view[self._received : end] = part
            self._received = end
            data = data[len(part) :]
            if end == self._length:
                self.rest = data
                return Progress.COMPLETE
            if end < len(self.content):
                return Progress.PARTIAL
            larger = min(self._length, max(STEP, 2 * end))
            if not self._share.enlarge(larger):
                self.rest = data
                return Progress.QUEUED
            self._provide(larger)

    def drop(self) -> None:
        """Give its memory back."""
        self._share.release()

    def _provide(self, size: int) -> None:
        """Go on in other memory; the transport may still hold a view of the old one."""
        content = bytearray(size)
        content[: self._received] = self.content
        self.content, self._view = content, memoryview(content)


class BodyInChunks:
    """A body whose length nobody knows before its end.

    Attributes:
        rest: bytes that were not taken.
    """

    __slots__ = ("_chunks", "_share", "rest")

    def __init__(self, limit: int, share: Share) -> None:
        self._chunks = ChunkedBody(limit)
        self._share = share
        self.rest = b""

    @property
    def content(self) -> bytearray:
        """What has arrived; whole when it is complete."""
        return self._chunks.body

    def feed(self, data: bytes) -> Progress:
        """Take bytes; after QUEUED again, once there is memory.

        Raises:
            TooLargeError: it is larger than the limit.
            HeadError: these are no chunks.
        """
        size = self._chunks.held + len(data)
        if size > SMALL and not self._share.enlarge(size):
            self.rest = data
            return Progress.QUEUED
        if not self._chunks.feed(data):
            return Progress.PARTIAL
        self.rest = self._chunks.rest
        return Progress.COMPLETE

    def drop(self) -> None:
        """Give its memory back."""
        self._share.release()
