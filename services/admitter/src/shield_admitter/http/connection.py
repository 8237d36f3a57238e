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

A head that differs from an earlier one in Content-Length alone is not parsed again
(`head.KnownHeads`); any other gets a parser of its own. A body whose length was declared is counted
here. The end of a body in chunks is known to the parser alone: what follows it in the same segment
is not read, and ends the connection.

A request is answered inside the callback that brings its last byte; there is no task per request.
What was sent behind it in the same segment waits for the next turn of the event loop, because a
segment can hold thousands of requests, which would delay all other clients.
Deadlines are numbers that the server's sweep compares with the clock twice a second, because a
timer per request costs more than reading the request. Besides the state's deadline there is one for
writing: an answer that the client has not taken after `WRITE_SECONDS` ends the connection in any
state. A busy client always has unsent bytes, so the sweep notes how much was written and checks
later that all of it was taken.
"""

from __future__ import annotations

import asyncio
import enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from shield_admitter.http import limits
from shield_admitter.http.head import RejectedError, http_rejection, validate_head
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
_LENGTH_OF_NAME: Final = len(b"content-length")
_EMPTY_LINE: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"


class _TrailingBytesError(Exception):
    """Raised in a parser callback for bytes behind the end of a body in chunks."""


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection.

    Attributes:
        state: what it waits for.
        deadline: when that wait ends, on the server's clock.
        is_unused: whether no request has been answered yet.
    """

    state: State
    deadline: float

    def __init__(self, server: Server, *, max_requests: int) -> None:
        self._server = server
        self._requests_left = max_requests
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._forbidden: Response | None = None
        self._received = b""  # of a head, or of the empty line before it
        self._pipelined = b""  # sent behind a request that was answered in this turn of the loop
        self._head = RequestHead(b"", b"")
        self._body: bytes | bytearray = b""
        self._reserved = 0
        self._write_paused = False
        self._written = 0  # bytes, with what TLS may add
        self._written_at_mark = 0  # of them, at an earlier sweep
        self._marked_at = 0.0
        self.is_unused = True
        self._head_response: Response | None = None  # known before the body
        self._reset()
        self._enter(_HANDSHAKE)

    def _reset(self) -> None:
        """Forget what the parser reported of the request before."""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []  # but for Content-Length
        self._length = 0  # bytes of the body, if it is not chunked
        self._chunks = 0
        self._framing = 0  # bytes of a chunked body that are not its content

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for requests."""
        # uvloop's transports are no subclasses of asyncio's, but have the same methods.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=limits.WRITE_BUFFER)
        self._marked_at = self._server.time()
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
        """Parse up to the end of one request; the callbacks below do the rest."""
        if self._pipelined:
            self._pipelined += data
        else:
            self._receive(data)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        self._write_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._write_paused = False
        if not self._pipelined:
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
        is_late = now >= self.deadline
        if self._writes_too_long(now) or (is_late and self.state >= _LINGER):
            self.abort()
        elif is_late and self.state is _IDLE:
            self.close()
        elif is_late:
            message = "the request did not arrive in time"
            response = error_response(HTTPStatus.REQUEST_TIMEOUT, message)
            self._reject(RejectedError(response, Rejection.TIMEOUT))

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

    def _writes_too_long(self, now: float) -> bool:
        """Return whether bytes that were written `WRITE_SECONDS` ago have not been taken."""
        unsent = self._transport.get_write_buffer_size() + limits.unsent_bytes(
            self._transport.get_extra_info("socket")
        )
        if unsent <= self._written - self._written_at_mark:  # only what was written since then
            self._written_at_mark, self._marked_at = self._written, now
            return False
        return now - self._marked_at >= limits.WRITE_SECONDS

    # Received bytes, cut into pieces.

    def _receive(self, data: bytes) -> None:
        """Parse one piece after the other, up to the end of a request."""
        requests_left = self._requests_left
        try:
            while data and self.state < _LINGER and self._requests_left == requests_left:
                data = self._receive_body(data) if self.state is _BODY else self._receive_head(data)
        except RejectedError as error:
            self._reject(error)
        except _TrailingBytesError:
            self.close()
        except Exception:  # noqa: BLE001 - a bug must not become a connection that hangs
            logs.get(__name__).exception("parsing a request failed")
            self._enter(_CLOSING)
            self.abort()
        if data and self.state < _LINGER:
            self._pipelined = data
            self._transport.pause_reading()
            self._server.call_soon(self._receive_pipelined)

    def _receive_pipelined(self) -> None:
        """Go on with the next request, unless the connection ended meanwhile."""
        data, self._pipelined = self._pipelined, b""
        if self.state < _LINGER:
            if not self._write_paused:
                self._transport.resume_reading()
            self._receive(data)

    def _receive_head(self, data: bytes) -> bytes:
        """Read bytes up to the end of a head, and behind a known one the body; return the rest."""
        if self.state is _IDLE:
            if self._received or data[0] in _EMPTY_LINE:
                data = self._skip_empty_line(self._received + data)
                if not data:
                    return b""
            if self._write_paused:  # it sends further requests without reading its answers
                self._enter(_CLOSING)
                self.abort()
                return b""
            known = self._server.known_heads.find(data)
            if known is not None:
                head, length, size = known
                self._head_complete(head, length)
                return self._receive_body(data[size:])
            self._parser = HttpRequestParser(self)
            self._enter(_HEAD)
        parsed, received = len(self._received), self._received + data
        end = received.find(_HEAD_END, max(0, parsed - len(_HEAD_END)), limits.MAX_HEAD)
        if end >= 0:
            end += len(_HEAD_END)
            raw_head, behind = received[:end], received[end:]
        else:
            raw_head, behind = received[: limits.MAX_HEAD], b""
        self._received = raw_head
        self._parse(raw_head[parsed:])
        if self.state is _HEAD and end >= 0:  # HTTP/2, whose preface llhttp knows
            raise http_rejection("not an HTTP/1.1 request")
        if self.state is _HEAD and len(received) > limits.MAX_HEAD:
            message = f"the head is larger than {limits.MAX_HEAD} bytes"
            raise http_rejection(message, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return behind

    def _skip_empty_line(self, received: bytes) -> bytes:
        """Return the bytes behind an empty line; none if it is not complete.

        RFC 9112, 2.2: one empty line before a request is ignored. llhttp ignores more.
        """
        self._received = received if _EMPTY_LINE.startswith(received) else b""
        if self._received:
            return b""
        received = received.removeprefix(_EMPTY_LINE)
        if received[0] in _EMPTY_LINE:
            raise http_rejection("empty lines before the request")
        return received

    def _receive_body(self, data: bytes) -> bytes:
        """Read bytes up to the end of a body; return what follows it."""
        if self._head.is_chunked:
            self._framing += len(data)
            self._parse(data)
            if self._framing > limits.MAX_FRAMING and self.state is _BODY:
                raise http_rejection("too many bytes around the body's chunks")
            return b""
        missing = self._length - len(self._body)
        self.on_body(data[:missing])
        if len(self._body) == self._length:
            self.on_message_complete()
        return data[missing:]

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserUpgrade:
            pass  # on_headers_complete has rejected it
        except HttpParserError as error:  # the message is llhttp's own and quotes nothing
            if self.state < _LINGER:  # otherwise it is about bytes behind the last request
                raise http_rejection(str(error)) from None

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.state is not _HEAD:
            raise _TrailingBytesError
        self._reset()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if self.state is _BODY:
            raise http_rejection("trailer fields are not supported")
        if len(self._headers) >= limits.MAX_HEADERS:
            message = f"the head has more than {limits.MAX_HEADERS} headers"
            raise http_rejection(message, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        # llhttp has checked that it is a number, and there only once.
        if len(name) == _LENGTH_OF_NAME and name.lower() == b"content-length":
            self._length = int(value)
        else:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head, and answer now if that is enough."""
        parser = self._parser
        head = validate_head(
            parser.get_method(),
            self._target,
            parser.get_http_version(),
            self._headers,
            keep_alive=parser.should_keep_alive(),
        )
        # Another protocol's name (RTSP) and further spaces do not show in the callbacks.
        if not self._received.startswith(head.request_line):
            raise http_rejection("not an HTTP/1.1 request line")
        if parser.should_upgrade():
            raise http_rejection("protocol upgrades are not supported")
        self._server.known_heads.add(self._received, head)
        self._head_complete(head, self._length)

    def _head_complete(self, head: RequestHead, length: int) -> None:
        """Answer now if the head is enough; otherwise wait for the body."""
        handler = self._server.handler
        self._received = b""
        self._head, self._length = head, length
        response = handler.check_head(head) if self._forbidden is None else self._forbidden
        self._head_response = response
        if response is not None and (length > 0 or head.is_chunked):
            raise RejectedError(response, None)
        if length > handler.max_body:
            raise self._body_too_large()
        self._enter(_BODY)
        if head.expects_continue and response is None:
            self._send(_CONTINUE)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._chunks += 1
        if self._chunks > limits.MAX_CHUNKS:
            raise http_rejection(f"the body has more than {limits.MAX_CHUNKS} chunks")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._framing -= len(body)
        if self._body:
            self._body += body
        else:  # the first piece is often all of it, and need not be copied
            self._body = body if len(body) == self._length else bytearray(body)
        size = len(self._body)
        if size > self._server.handler.max_body:
            raise self._body_too_large()
        while size > limits.SMALL_BODY + self._reserved:
            if not self._server.body_memory.reserve(limits.BODY_STEP):
                message = "too many large reviews at once"
                raise RejectedError(unavailable(message), Rejection.BUSY)
            self._reserved += limits.BODY_STEP

    def on_message_complete(self) -> None:
        """Answer the request."""
        response = self._respond() if self._head_response is None else self._head_response
        self._release_body()
        self._requests_left -= 1
        self.is_unused = False
        close = (
            response.close
            or self._requests_left <= 0
            or self._server.draining
            or not self._head.keep_alive
        )
        self._enter(_IDLE)
        self._write(response, close=close)
        if close:
            self.close()

    # Details.

    def _respond(self) -> Response:
        try:
            return self._server.handler.respond(self._head, self._body)
        except Exception:  # noqa: BLE001 - a bug must not become a connection that hangs
            logs.get(__name__).exception("answering a request failed")
            return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", close=True)

    def _body_too_large(self) -> RejectedError:
        message = f"the body is larger than {self._server.handler.max_body} bytes"
        response = error_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        return RejectedError(response, Rejection.TOO_LARGE)

    def _reject(self, error: RejectedError) -> None:
        """Answer a request whose rest is not read, and give the client time to read the answer."""
        if error.reason is not None:
            self._server.handler.count_rejection(error.reason)
        self._release_body()
        self._received = b""
        self._enter(_LINGER)
        self._write(error.response, close=True)

    def _write(self, response: Response, *, close: bool) -> None:
        without_body = self._head.method == b"HEAD"
        self._send(response.encode(date=self._server.date, close=close, without_body=without_body))

    def _send(self, data: bytes) -> None:
        self._written += len(data) + limits.TLS_OVERHEAD
        self._transport.write(data)

    def _enter(self, state: State) -> None:
        self.state = state
        self.deadline = self._server.time() + SECONDS[state]

    def _release_body(self) -> None:
        self._body = b""
        if self._reserved:
            self._server.body_memory.release(self._reserved)
            self._reserved = 0
