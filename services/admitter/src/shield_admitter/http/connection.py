"""One client's connection: httptools parses, this module decides what is accepted and how long.

Theory of operation
===================

A connection is always in one state, and each state has a deadline:

    state      waits for                                at the deadline
    HANDSHAKE  the TLS handshake                        abort (the event loop does it)
    IDLE       the first byte of a request              close
    HEAD       the rest of a request's head             408, LINGER
    BODY       the rest of a request's body             408, LINGER
    LINGER     the client to read why it was rejected   abort
    CLOSING    the peer to confirm the end              abort

A request is answered inside the callback that brings its last byte; there is no task per request.
Deadlines are numbers that the server's sweep compares with the clock twice a second, because a
timer per request costs more than reading the request. Besides the state's deadline there is one for
writing: bytes that the client does not take for `WRITE_SECONDS` end the connection in any state.

llhttp, the parser in httptools, is strict about line ends, lengths and chunks. What it accepts and
two servers could still read differently is rejected here: no Host or two of them, a transfer coding
besides chunked, an upgrade, trailer fields, and a request line that is not exactly
``METHOD TARGET HTTP/1.x`` (RFC 9112, 11.2 explains request smuggling).
"""

from __future__ import annotations

import asyncio
import enum
import re
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from msgspec import Struct

from shield_admitter.http import limits
from shield_admitter.http.messages import (
    Rejection,
    RequestHead,
    Response,
    error_response,
    unavailable,
)
from shield_common import logs

if TYPE_CHECKING:
    from shield_admitter.http.server import Server


class State(enum.IntEnum):
    """What a connection waits for."""

    HANDSHAKE = 0
    IDLE = 1
    HEAD = 2
    BODY = 3
    LINGER = 4
    CLOSING = 5


# On Python 3.11 an enum's member costs 1 µs when it is looked up in its class, 20 ns as a global.
_HANDSHAKE, _IDLE, _HEAD, _BODY, _LINGER, _CLOSING = State

SECONDS: Final = {
    _HANDSHAKE: limits.HANDSHAKE_SECONDS,
    _IDLE: limits.IDLE_SECONDS,
    _HEAD: limits.HEAD_SECONDS,
    _BODY: limits.BODY_SECONDS,
    _LINGER: limits.LINGER_SECONDS,
    _CLOSING: limits.CLOSE_SECONDS,
}

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_VERSIONS: Final = frozenset({"1.0", "1.1"})
# RFC 9112, 2.2: one empty line before a request is ignored. llhttp ignores any number of them, and
# bare line feeds too.
_EMPTY_LINES: Final = re.compile(rb"\r\Z|\r\n(?![\r\n])")
_EMPTY_LINE: Final = (b"\r", b"\r\n")
_HEAD_END: Final = b"\r\n\r\n"
# Headers that are read and must not be repeated. llhttp itself refuses a second Content-Length.
_SINGLE_HEADERS: Final = (b"host", b"content-type", b"transfer-encoding", b"expect")
# RFC 9112, 3.2: a Host that is no ``host[:port]`` (RFC 3986, 3.2.2) is answered with 400.
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?", re.ASCII
)


class _RejectedError(Exception):
    """Raised in a parser callback to stop parsing; `Connection.data_received` answers it."""

    def __init__(self, response: Response, reason: Rejection | None) -> None:
        super().__init__(response.status)
        self.response = response
        self.reason = reason


class _OverError(Exception):
    """Raised in a parser callback to stop parsing when the connection is over."""


def _malformed(message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> _RejectedError:
    return _RejectedError(error_response(status, message), Rejection.HTTP)


class _CheckedHead(Struct, frozen=True):
    """A head that has passed `_check_head`.

    Attributes:
        head: what the handler sees of it.
        request_line: the only accepted spelling of its first line.
        is_chunked: whether the body comes in chunks.
        expects_continue: whether the client waits for 100 Continue.
    """

    head: RequestHead
    request_line: bytes
    is_chunked: bool
    expects_continue: bool


# A client sends the same head with every request, apart from Content-Length, and checking a head
# takes longer than parsing it.
@lru_cache(maxsize=64)
def _check_head(
    method: bytes, target: bytes, version: str, headers: tuple[tuple[bytes, bytes], ...]
) -> _CheckedHead:
    """Return the head, or reject what llhttp accepts and two servers could read differently.

    Args:
        method: as sent.
        target: as sent.
        version: ``1.1`` or another.
        headers: names in lower case and values, without Content-Length.
    """
    if version not in _VERSIONS:
        raise _malformed("only HTTP/1.1 is supported", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    values = dict(headers)
    names = [name for name, _ in headers]
    for name in _SINGLE_HEADERS:
        if names.count(name) > 1:
            raise _malformed(f"duplicate {name.decode('ascii')} header")
    if version == "1.1" and b"host" not in values:
        raise _malformed("no Host header")
    if not _HOST.fullmatch(values.get(b"host", b"").strip()):
        raise _malformed("the Host header is no host")
    coding = values.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0":
            raise _malformed("Transfer-Encoding in HTTP/1.0")
        if coding.strip().lower() != b"chunked":
            message = "transfer codings other than chunked are not supported"
            raise _malformed(message, HTTPStatus.NOT_IMPLEMENTED)
    expectation = values.get(b"expect")
    if expectation is not None and expectation.strip().lower() != b"100-continue":
        message = "expectations other than 100-continue are not supported"
        raise _malformed(message, HTTPStatus.EXPECTATION_FAILED)
    head = RequestHead(
        method,
        target.partition(b"?")[0],
        values.get(b"content-type", b"").partition(b";")[0].strip().lower(),
        values.get(b"content-encoding", b""),
    )
    line = b"%s %s HTTP/%s\r\n" % (method, target, version.encode("ascii"))
    return _CheckedHead(head, line, coding is not None, expectation is not None)


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection.

    Attributes:
        state: what it waits for.
        deadline: when that wait ends, on the server's clock.
        is_fresh: whether no request has been answered yet.
    """

    __slots__ = (
        "_body",
        "_body_part",
        "_chunks",
        "_forbidden",
        "_framing",
        "_head",
        "_head_response",
        "_headers",
        "_is_pipelined",
        "_length",
        "_parser",
        "_received",
        "_requests_left",
        "_reserved",
        "_server",
        "_target",
        "_transport",
        "_unsent_since",
        "_write_paused",
        "deadline",
        "is_fresh",
        "state",
    )

    state: State
    deadline: float

    def __init__(self, server: Server, *, max_requests: int) -> None:
        self._server = server
        self._requests_left = max_requests
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._forbidden: Response | None = None
        self._received = b""
        self._is_pipelined = False  # whether _received begins with an earlier request
        self._head = RequestHead(b"", b"")
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_response: Response | None = None  # known before the body
        self._target = b""
        self._length = 0
        self._chunks = 0
        self._framing = 0  # bytes of the body that are not its content
        self._body: bytes | bytearray = b""
        self._body_part = b""  # the last one of the bytes that are being parsed
        self._reserved = 0
        self._write_paused = False
        self._unsent_since: float | None = None
        self.is_fresh = True
        self._enter(_HANDSHAKE)

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for requests."""
        # uvloop's transports are no subclasses of asyncio's, but have the same methods.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=limits.WRITE_BUFFER)
        self._enter(_IDLE)
        self._forbidden = self._server.connection_opened(
            self, transport.get_extra_info("peercert") or {}
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Release everything, and count a request that was not complete."""
        del error
        if self.has_request:
            self._server.handler.count_rejection(Rejection.CLIENT)
        self._release_body()
        self._enter(_CLOSING)
        # The parser holds bound methods of this object: without this, both would wait for the
        # garbage collector, and the last request's bytes with them.
        del self._parser
        self._server.connection_closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse bytes; the callbacks below do the rest."""
        if self.state >= _LINGER:
            return
        state, requests_left = self.state, self._requests_left
        self._received += data
        if state is _BODY:
            self._framing += len(data)
        elif self._is_rejected_unread(data):
            return
        self._parse(data)
        self._body_part, body_part = b"", self._body_part
        is_next = self._requests_left != requests_left
        if self.state is _HEAD and is_next:
            self._received = self._next_head(body_part)
            self._is_pipelined = False
            self._is_rejected_unread(b"")
        elif self.state is _BODY and self._framing > limits.MAX_FRAMING:
            self._reject(_malformed("too many bytes around the body's chunks"))
        if self.state is not state or is_next:
            self._enter(self.state)
        if self.state is not _HEAD and (
            self.state is not _IDLE or self._received not in _EMPTY_LINE
        ):
            self._received = b""
            self._is_pipelined = False

    def eof_received(self) -> None:
        """Let the transport close: a client that sends nothing more has all its answers."""

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        self._write_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._write_paused = False
        self._transport.resume_reading()

    # Called by the server.

    @property
    def has_request(self) -> bool:
        """Whether a part of a request has arrived."""
        return self.state is _HEAD or self.state is _BODY

    def check_deadlines(self, now: float) -> None:
        """Act on deadlines that have passed."""
        if self.state is _HANDSHAKE:
            return
        if self._writes_too_long(now):
            self._transport.abort()
        elif now >= self.deadline:
            self._deadline_passed()

    def close(self) -> None:
        """Close once everything is written."""
        self._release_body()
        self._enter(_CLOSING)
        self._transport.close()

    def evict(self) -> None:
        """Close at once, to make room for another client."""
        if self.has_request:
            self._server.handler.count_rejection(Rejection.BUSY)
        self._enter(_CLOSING)
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _deadline_passed(self) -> None:
        if self.state is _IDLE:
            self.close()
        elif self.has_request:
            message = "the request did not arrive in time"
            response = error_response(HTTPStatus.REQUEST_TIMEOUT, message)
            self._reject(_RejectedError(response, Rejection.TIMEOUT))
        else:
            self._transport.abort()

    def _writes_too_long(self, now: float) -> bool:
        unsent = self._transport.get_write_buffer_size() or limits.unsent_bytes(
            self._transport.get_extra_info("socket")
        )
        if not unsent:
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        else:
            return now - self._unsent_since >= limits.WRITE_SECONDS
        return False

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.state >= _LINGER:
            raise _OverError
        if self._write_paused:  # it sends further requests without reading its answers
            self._transport.abort()
            raise _OverError
        self.state = _HEAD
        self._target = b""
        self._headers = []
        self._length = 0
        self._chunks = 0
        self._framing = 0
        self._head_response = None

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if self.state is _BODY:
            raise _malformed("trailer fields are not supported")
        if len(self._headers) >= limits.MAX_HEADERS:
            message = f"the head has more than {limits.MAX_HEADERS} headers"
            raise _malformed(message, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        name = name.lower()
        if name == b"content-length":  # llhttp has checked that it is a number, and there only once
            self._length = int(value)
        else:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head, and answer now if that is enough."""
        parser, handler = self._parser, self._server.handler
        checked = _check_head(
            parser.get_method(), self._target, parser.get_http_version(), tuple(self._headers)
        )
        # Another protocol's name (RTSP) and further spaces do not show in the callbacks.
        start = self._received.find(checked.request_line)
        if start < 0 or (start > len(b"\r\n") and not self._is_pipelined):
            raise _malformed("not an HTTP/1.1 request line")
        if parser.should_upgrade():
            raise _malformed("protocol upgrades are not supported")
        self._head = checked.head
        response = self._forbidden
        if response is None:
            response = handler.check_head(checked.head)
        if response is not None:
            if self._length > 0 or checked.is_chunked:
                raise _RejectedError(response, None)
            self._head_response = response
        elif self._length > handler.max_body:
            raise self._body_too_large()
        self.state = _BODY
        if checked.expects_continue and response is None:
            self._transport.write(_CONTINUE)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._chunks += 1
        if self._chunks > limits.MAX_CHUNKS:
            raise _malformed(f"the body has more than {limits.MAX_CHUNKS} chunks")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._framing -= len(body)
        self._body_part = body
        if not self._body:
            self._body = body  # mostly the whole body, which then is not copied again
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        size = len(self._body)
        if size > self._server.handler.max_body:
            raise self._body_too_large()
        if size > limits.SMALL_BODY + self._reserved:
            self._reserve(size)

    def on_message_complete(self) -> None:
        """Answer the request."""
        response = self._respond() if self._head_response is None else self._head_response
        self._release_body()
        self._requests_left -= 1
        self.is_fresh = False
        self._is_pipelined = True
        if self._chunks:
            self._body_part = b""  # the end of the chunks is behind it
        # A client that uses another method is no API server; its next bytes are not worth parsing.
        close = (
            response.close
            or self._requests_left <= 0
            or self._head.method != b"POST"
            or self._server.draining
            or not self._parser.should_keep_alive()
        )
        self.state = _IDLE
        self._write(response, close=close)
        if close:
            self.close()

    # Details.

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            self._callback_failed(error.__context__)
        except HttpParserUpgrade:
            pass  # on_headers_complete has rejected it
        except HttpParserError as error:  # the message is llhttp's own and quotes nothing
            if self.state < _LINGER:  # otherwise it is about bytes behind the last request
                self._reject(_malformed(str(error)))

    def _is_rejected_unread(self, data: bytes) -> bool:
        """Reject further empty lines, and a head that is too large.

        Args:
            data: the end of what has been received, which is not parsed yet.
        """
        received = self._received
        if self.state is _IDLE and received[0] in b"\r\n" and not _EMPTY_LINES.match(received):
            self._reject(_malformed("empty lines before the request"))
        elif len(received) > limits.MAX_HEAD and received.find(_HEAD_END, 0, limits.MAX_HEAD) < 0:
            # Parsing the part that may arrive tells a malformed head from a large one.
            self._parse(data[: max(0, limits.MAX_HEAD - len(received) + len(data))])
            if self.state < _LINGER:
                message = f"the head is larger than {limits.MAX_HEAD} bytes"
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._reject(_malformed(message, status))
        return self.state is _LINGER

    def _next_head(self, body_part: bytes) -> bytes:
        """Return the beginning of a head that arrived together with the end of a request.

        An incomplete head contains no empty line, so it begins after the last one, or after the
        body that follows that one.

        Args:
            body_part: the last bytes of that request's body.
        """
        return self._received.rpartition(_HEAD_END)[2].removeprefix(body_part)

    def _reserve(self, size: int) -> None:
        while size > limits.SMALL_BODY + self._reserved:
            if not self._server.body_memory.reserve(limits.BODY_STEP):
                message = "too many large reviews at once"
                raise _RejectedError(unavailable(message), Rejection.BUSY)
            self._reserved += limits.BODY_STEP

    def _respond(self) -> Response:
        try:
            return self._server.handler.respond(self._head, self._body)
        except Exception:  # noqa: BLE001 - a bug must not become a connection that hangs
            logs.get(__name__).exception("answering a request failed")
            return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", close=True)

    def _body_too_large(self) -> _RejectedError:
        message = f"the body is larger than {self._server.handler.max_body} bytes"
        response = error_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        return _RejectedError(response, Rejection.TOO_LARGE)

    def _callback_failed(self, error: BaseException | None) -> None:
        if isinstance(error, _RejectedError):
            self._reject(error)
        elif not isinstance(error, _OverError):
            logs.get(__name__).error("parsing a request failed", exc_info=error)
            self._transport.abort()

    def _reject(self, error: _RejectedError) -> None:
        """Answer a request whose rest is not read, and give the client time to read the answer."""
        if error.reason is not None:
            self._server.handler.count_rejection(error.reason)
        self._release_body()
        self._enter(_LINGER)
        self._write(error.response, close=True)

    def _write(self, response: Response, *, close: bool) -> None:
        without_body = self._head.method == b"HEAD"
        self._transport.write(
            response.encode(date=self._server.date, close=close, without_body=without_body)
        )

    def _enter(self, state: State) -> None:
        self.state = state
        self.deadline = self._server.time() + SECONDS[state]

    def _release_body(self) -> None:
        self._body = b""
        if self._reserved:
            self._server.body_memory.release(self._reserved)
            self._reserved = 0
