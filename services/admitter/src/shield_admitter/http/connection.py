"""One client's connection: which bytes belong to which request, and how long each step may take.

Theory of operation
===================

What a connection waits for is its phase (`phases`). A request is answered in the call that brings
its last byte: there is no task and no future per request. A client that does not read its answers
is not read from either, and aborted after WRITE_SECONDS. Deadlines are numbers, and the server's
sweep looks at them twice a second, so nothing has a timer of its own.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from shield_admitter.http.body import BodyInChunks, DeclaredBody, Progress
from shield_admitter.http.budget import Share
from shield_admitter.http.chunks import TooLargeError
from shield_admitter.http.head import HeadError, HeadReader
from shield_admitter.http.interface import BUSY, GONE, MALFORMED, TIMEOUT, TOO_LARGE, problem
from shield_admitter.http.phases import BETWEEN, OVER, PATIENCE, UNDER_WAY, WRITE_SECONDS, Phase
from shield_common import logs

if TYPE_CHECKING:
    from shield_admitter.http.body import Body
    from shield_admitter.http.head import Head
    from shield_admitter.http.host import Host
    from shield_admitter.http.interface import Answer

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.BufferedProtocol):
    """The protocol of one accepted connection.

    Attributes:
        phase: what it waits for.
        deadline: when the wait is over, on the loop's clock.
    """

    __slots__ = (
        "_blocked",
        "_body",
        "_direct",
        "_head",
        "_heads",
        "_left",
        "_length",
        "_pending",
        "_refusal",
        "_server",
        "_service",
        "_time",
        "_transport",
        "deadline",
        "phase",
    )

    def __init__(self, server: Host[Connection]) -> None:
        self._server = server
        self._service = server.service
        self._time = server.time
        self._transport: asyncio.Transport
        self._head: Head
        self._heads = HeadReader()
        self._length = self._left = server.service.connection_length()
        self._refusal: Answer | None = None
        self._pending = b""
        self._body: Body | None = None
        self._direct: DeclaredBody | None = None  # the same, if the transport may fill it
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
        if self._direct is not None and self.phase is Phase.BODY:
            return self._direct.room()
        return self._server.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes."""
        if self._direct is not None and self.phase is Phase.BODY:
            self._go_on(self._direct, self._direct.arrived(nbytes))
            return
        data = bytes(self._server.scratch[:nbytes])
        if self._blocked or self.phase is Phase.QUEUED:
            self._pending += data
        elif self.phase in OVER:
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
        return self.phase in UNDER_WAY

    def expire(self) -> None:
        """Act on the deadline, which has passed."""
        if self._blocked or self.phase in OVER:
            self._transport.abort()
        elif self.phase is Phase.IDLE:
            self.close()
        elif self.phase is Phase.QUEUED:
            busy = problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many large reviews at once")
            self._give_up(BUSY, busy)
        else:
            late = problem(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
            self._give_up(TIMEOUT, late)

    def close(self) -> None:
        """Close once everything is written."""
        self._wait(Phase.CLOSING)
        self._drop_body()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _give_up(self, why: str, answer: Answer) -> None:
        self._service.refused(why)
        self._write(answer, close=True)
        self.close()

    # The way of a request.

    def _guarded(self, data: bytes) -> None:
        self._pending = b""
        try:
            self._take(data)
        except HeadError as error:
            self._service.refused(MALFORMED)
            self._refuse(problem(error.status, str(error)))
        except TooLargeError:
            self._too_large()

    def _take(self, data: bytes) -> None:
        while True:
            if self._body is not None:
                data = self._go_on(self._body, self._body.feed(data))
            if not data:
                return
            if self._blocked:
                self._pending = data
                return
            if self.phase not in BETWEEN:
                return
            data = self._take_head(data)

    def _take_head(self, data: bytes) -> bytes:
        """Begin with a request if its head is there; return the bytes that are still to be read."""
        head, data = self._heads.take(data)
        if head is not None:
            self._head = head
            return self._begin(data)
        self._pending = data
        if data and self.phase is Phase.IDLE:
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
        share = Share(self._server.budget, self._granted)
        if length is None:
            self._body = BodyInChunks(self._service.max_body, share)
        else:
            self._body = self._direct = DeclaredBody(length, share)
        return data

    def _go_on(self, body: Body, progress: Progress) -> bytes:
        """Answer a body that is complete, or wait; return the bytes that are still to be read."""
        if progress is Progress.COMPLETE:
            answer = self._answer(body.content)
            self._drop_body()
            self._reply(answer)
            return body.rest
        if progress is Progress.QUEUED:
            self._pending = body.rest
            self.phase = Phase.QUEUED  # with BODY's deadline
            self._transport.pause_reading()
        return b""

    def _granted(self) -> None:
        # Not at once: whoever released the memory is in the middle of something.
        self._server.call_soon(self._leave_queue)

    def _leave_queue(self) -> None:
        if self.phase is Phase.QUEUED:
            self.phase = Phase.BODY
            self._transport.resume_reading()
            self._guarded(self._pending)

    def _answer(self, body: bytes | bytearray) -> Answer:
        try:
            return self._service.answer(body)
        except Exception:  # noqa: BLE001 - a bug must not become a connection that hangs
            logs.get(__name__).exception("answering a request failed")
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

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
            problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
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
        if self._body is not None:
            body, self._body, self._direct = self._body, None, None
            body.drop()
