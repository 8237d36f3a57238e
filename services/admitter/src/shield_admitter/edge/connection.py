"""One client's connection: which bytes belong to which request, and how long each step may take.

Theory of operation
===================

    phase    waits for                          when PATIENCE is over
    IDLE     the first byte of a request        close
    HEAD     the rest of its head               408, close
    QUEUED   memory for a large body            503, close
    BODY     the rest of its body               408, close
    LINGER   the client to take a refusal in    abort
    CLOSING  the peer to agree                  abort

QUEUED and BODY alternate as a large body grows, under one deadline for both. A request is
answered in the call that brings its last byte: there is no task and no future per request. A client
that does not read its answers is not read from either, and aborted after WRITE_SECONDS. Deadlines
are numbers, and the server's sweep looks at them twice a second, so nothing has a timer of its own.
"""

from __future__ import annotations

import asyncio
import enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec

from shield_admitter.edge.budget import SMALL, STEP, Share
from shield_admitter.edge.chunks import ChunkedBody, TooLargeError
from shield_admitter.edge.head import END, MAX_HEAD, HeadError, HeadReader, check_line_ends
from shield_admitter.edge.interface import BUSY, GONE, MALFORMED, TIMEOUT, TOO_LARGE, Answer
from shield_common import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.edge.budget import BodyBudget
    from shield_admitter.edge.head import Head
    from shield_admitter.edge.interface import Service

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(enum.IntEnum):
    """What a connection waits for."""

    IDLE = 0
    HEAD = 1
    QUEUED = 2
    BODY = 3
    LINGER = 4
    CLOSING = 5


# Seconds. Go's http.Transport, the API server's client, keeps idle connections for 90 s; closing
# later than the client does avoids the race in which it sends on a connection that was just closed.
# A body of 8 MiB takes a tenth of a second within a cluster, and the API server waits 3 s for an
# answer (`webhook.timeoutSeconds` in the chart): a body that is later is for nobody any more.
# QUEUED has no time of its own; what it takes is taken from BODY.
_BODY_SECONDS: Final = 3.0
PATIENCE: Final = {
    Phase.IDLE: 120.0,
    Phase.HEAD: 5.0,
    Phase.QUEUED: _BODY_SECONDS,
    Phase.BODY: _BODY_SECONDS,
    Phase.LINGER: 2.0,
    Phase.CLOSING: 3.0,
}
WRITE_SECONDS: Final = 8.0
_UNDER_WAY: Final = frozenset({Phase.HEAD, Phase.QUEUED, Phase.BODY})
_BETWEEN: Final = frozenset({Phase.IDLE, Phase.HEAD})
_OVER: Final = frozenset({Phase.LINGER, Phase.CLOSING})


class Host(Protocol):
    """What a connection asks of its server.

    Attributes:
        budget: memory for large bodies, shared by all connections.
        scratch: where bytes arrive; each connection takes its own out before another gets it.
    """

    budget: BodyBudget
    scratch: memoryview

    @property
    def service(self) -> Service:
        """Answers the requests."""
        ...

    def time(self) -> float:
        """Read the loop's clock."""
        ...

    def call_soon(self, call: Callable[[], None], /) -> object:
        """Call in the next round of the loop."""
        ...

    def opened(self, connection: Connection, certificate: dict[str, Any] | None) -> Answer | None:
        """Note a connection; return what all its requests are answered if it is not welcome."""
        ...

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        ...

    def render(self, answer: Answer, *, close: bool, bodiless: bool) -> bytes:
        """Write an answer as HTTP/1.1; one to HEAD has no body (RFC 9110, 9.3.2)."""
        ...


class Connection(asyncio.BufferedProtocol):
    """The protocol of one accepted connection.

    Attributes:
        phase: what it waits for.
        deadline: when the wait is over, on the loop's clock.
    """

    __slots__ = (
        "_after_empty_line",
        "_blocked",
        "_body",
        "_chunks",
        "_head",
        "_heads",
        "_left",
        "_length",
        "_pending",
        "_received",
        "_refusal",
        "_server",
        "_service",
        "_share",
        "_time",
        "_transport",
        "_view",
        "deadline",
        "phase",
    )

    def __init__(self, server: Host) -> None:
        self._server = server
        self._service = server.service
        self._time = server.time
        self._transport: asyncio.Transport
        self._head: Head
        self._heads = HeadReader()
        self._length = self._left = server.service.connection_length()
        self._refusal: Answer | None = None
        self._pending = b""
        self._body: bytearray | None = None
        self._view = memoryview(b"")
        self._received = 0
        self._chunks: ChunkedBody | None = None
        self._share: Share | None = None
        self._after_empty_line = False
        self._blocked = False
        self.phase = Phase.IDLE
        self.deadline = 0.0

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for requests."""
        # uvloop's transports are no subclasses of asyncio's, only alike.
        self._transport = cast("asyncio.Transport", transport)
        self._wait(Phase.IDLE)
        self._refusal = self._server.opened(self, transport.get_extra_info("peercert"))

    def connection_lost(self, error: Exception | None) -> None:
        """Forget everything; count a request that was not finished."""
        del error
        if self.has_request:
            self._service.refused(GONE)
        self.phase = Phase.CLOSING
        self._drop_body()
        self._pending = b""
        self._server.closed(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go: a body of known length gets them without a copy."""
        del sizehint
        if self._body is not None and self.phase is Phase.BODY:
            return self._view[self._received :]
        return self._server.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes."""
        if self._body is not None and self.phase is Phase.BODY:
            self._received += nbytes
            if self._received == len(self._body):
                self._fill(b"")
            return
        data = bytes(self._server.scratch[:nbytes])
        if self._blocked or self.phase is Phase.QUEUED:
            self._pending += data
        elif self.phase in _OVER:
            return
        else:
            self._guarded(self._pending + data if self._pending else data)

    def eof_received(self) -> None:
        """Let the transport close: half a connection is of no use here."""

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        self._blocked = True
        self._transport.pause_reading()
        self.deadline = self._time() + WRITE_SECONDS

    def resume_writing(self) -> None:
        """Go on with what has arrived meanwhile."""
        self._blocked = False
        if self.phase is Phase.CLOSING:
            return
        self._wait(self.phase)
        if self.phase is not Phase.QUEUED:
            self._transport.resume_reading()
            self._guarded(self._pending)

    # What the server calls.

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.phase is Phase.IDLE and not self._blocked

    @property
    def is_fresh(self) -> bool:
        """Whether there has been no request yet."""
        return self._left == self._length

    @property
    def has_request(self) -> bool:
        """Whether a part of a request has arrived."""
        return self.phase in _UNDER_WAY

    def expire(self) -> None:
        """Act on the deadline, which has passed."""
        if self._blocked or self.phase in _OVER:
            self._transport.abort()
        elif self.phase is Phase.IDLE:
            self.close()
        elif self.phase is Phase.QUEUED:
            self._service.refused(BUSY)
            busy = _problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many large reviews at once")
            self._write(busy, close=True)
            self.close()
        else:
            self._service.refused(TIMEOUT)
            late = _problem(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
            self._write(late, close=True)
            self.close()

    def close(self) -> None:
        """Close once everything is written."""
        self._wait(Phase.CLOSING)
        self._drop_body()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # The way of a request.

    def _guarded(self, data: bytes) -> None:
        self._pending = b""
        try:
            self._take(data)
        except HeadError as error:
            self._service.refused(MALFORMED)
            self._refuse(_problem(error.status, str(error)))
        except TooLargeError:
            self._too_large()

    def _take(self, data: bytes) -> None:
        while data:
            if self._chunks is not None:
                chunks = self._chunks
                if not self._reserve(chunks.held + len(data)):
                    self._pending = data
                    return
                if not chunks.feed(data):
                    return
                data = chunks.rest
                self._finish(chunks.body)
            elif self._blocked:
                self._pending = data
                return
            elif self.phase in _BETWEEN:
                data = self._take_head(data)
            else:
                return

    def _take_head(self, data: bytes) -> bytes:
        """Begin with a request if its head is there; return the bytes that are still to be read."""
        if data.startswith(b"\r\n"):
            # RFC 9112, 2.2: at least one is ignored. More cost work and are no request.
            if self._after_empty_line:
                raise HeadError(HTTPStatus.BAD_REQUEST, "empty lines before the request")
            self._after_empty_line = True
            return data[2:]
        end = data.find(END)
        if end < 0:
            check_line_ends(data)
        if max(end, len(data) if end < 0 else 0) > MAX_HEAD:
            raise HeadError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head is above {MAX_HEAD} bytes"
            )
        if end >= 0:
            self._after_empty_line = False
            self._head = self._heads.read(data[: end + 2])
            return self._begin(data[end + 4 :])
        self._pending = data
        if self.phase is Phase.IDLE:
            self._wait(Phase.HEAD)
        return b""

    def _begin(self, data: bytes) -> bytes:
        """Answer, or begin to read the body; return the bytes that are still to be read."""
        head = self._head
        length = head.length
        refusal = self._refusal or self._service.refuse(head)
        if refusal is not None:
            if length == 0:
                self._reply(refusal)
                return data
            self._refuse(refusal, bodiless=head.method == "HEAD")
        elif length is not None and length > self._service.max_body:
            raise TooLargeError
        elif length is not None and length <= len(data):
            self._reply(self._answer(data[:length]))
            return data[length:]
        else:
            return self._read_body(data)
        return b""

    def _read_body(self, data: bytes) -> bytes:
        self._wait(Phase.BODY)
        if self._head.expects_continue and not data:
            self._transport.write(_CONTINUE)
        length = self._head.length
        if length is None:
            self._chunks = ChunkedBody(self._service.max_body)
            return data
        self._received = 0
        self._provide(min(length, SMALL))
        return self._fill(data)

    def _fill(self, data: bytes) -> bytes:
        """Take what arrived of a body of known length; return the bytes behind it."""
        while self._body is not None:
            part = data[: len(self._body) - self._received]
            end = self._received + len(part)
            self._view[self._received : end] = part
            self._received = end
            data = data[len(part) :]
            length = cast("int", self._head.length)
            if end == length:
                self._finish(self._body)
            elif end < len(self._body):
                break
            else:
                larger = min(length, max(STEP, 2 * end))
                if not self._reserve(larger):
                    self._pending = data
                    return b""
                self._provide(larger)
        return data

    def _provide(self, size: int) -> None:
        """Go on with a body of this size; the transport may still hold a view of the old one."""
        body = bytearray(size)
        if self._body is not None:
            body[: self._received] = self._body
        self._body, self._view = body, memoryview(body)

    def _reserve(self, size: int) -> bool:
        """Say whether a body may be so large now; if not, wait in line."""
        if size <= SMALL:
            return True
        if self._share is None:
            self._share = Share(self._server.budget, self._granted)
        if self._share.enlarge(size):
            return True
        self.phase = Phase.QUEUED  # with BODY's deadline
        self._transport.pause_reading()
        return False

    def _granted(self) -> None:
        # Not at once: whoever released the memory is in the middle of something.
        self._server.call_soon(self._leave_queue)

    def _leave_queue(self) -> None:
        if self.phase is Phase.QUEUED:
            self.phase = Phase.BODY
            self._transport.resume_reading()
            data, self._pending = self._pending, b""
            rest = data if self._chunks is not None else self._fill(data)
            if rest:
                self._guarded(rest)

    def _finish(self, body: bytearray) -> None:
        answer = self._answer(body)
        self._drop_body()
        self._reply(answer)

    def _answer(self, body: bytes | bytearray) -> Answer:
        try:
            return self._service.answer(body)
        except Exception:  # noqa: BLE001 - a bug must not become a connection that hangs
            logs.get(__name__).exception("answering a request failed")
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

    def _reply(self, answer: Answer) -> None:
        self._left -= 1
        # Whoever sends another method is no API server; its next bytes are not worth a guess.
        close = (
            answer.close
            or self._left <= 0
            or not self._head.keep_alive
            or self._head.method != "POST"
            or self._service.closing
        )
        # First the new phase: writing may find that the client does not read, and set a deadline.
        self._wait(Phase.IDLE)
        self._write(answer, close=close, bodiless=self._head.method == "HEAD")
        if close:
            self.close()

    def _too_large(self) -> None:
        self._service.refused(TOO_LARGE)
        limit = self._service.max_body
        self._refuse(
            _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
        )

    def _refuse(self, answer: Answer, *, bodiless: bool = False) -> None:
        """Answer a request whose rest is not read, and let the client take the answer in."""
        self._drop_body()
        self._wait(Phase.LINGER)
        self._write(answer, close=True, bodiless=bodiless)

    def _write(self, answer: Answer, *, close: bool, bodiless: bool = False) -> None:
        self._transport.write(self._server.render(answer, close=close, bodiless=bodiless))

    def _wait(self, phase: Phase) -> None:
        self.phase = phase
        self.deadline = self._time() + PATIENCE[phase]

    def _drop_body(self) -> None:
        self._body = None
        self._chunks = None
        self._view = memoryview(b"")
        if self._share is not None:
            share, self._share = self._share, None
            share.release()


def _problem(status: HTTPStatus, message: str) -> Answer:
    retry = b"Retry-After: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else b""
    return Answer(msgspec.json.encode({"error": message}), status, retry, close=True)
