"""The yardstick in Python: a hand-written asyncio protocol on uvloop that does the same decode.

It does nothing else that a server should: no limits, no timeouts, no checks, no metrics.
Run as ``python -m tests.bench.yardstick PORT CERTIFICATE KEY``.
"""

import asyncio
import ssl
import sys

import uvloop

from shield_admitter.core.review import decode
from tests.rig.ports import LOOPBACK


class Yardstick(asyncio.Protocol):
    """Reads heads with two searches and answers a constant with the uid."""

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is alike

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            start = head.find(b"content-length:") + 15
            length = int(head[start : (head + b"\r\n").find(b"\r\n", start)])
            total = end + 4 + length
            if len(self._data) < total:
                return
            body, self._data = self._data[end + 4 : total], self._data[total:]
            request = decode(body)
            answer = (
                b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"'
                + request.uid.encode()
                + b'","allowed":true}}'
            )
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(answer), answer)
            )


async def serve(port: int, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Yardstick, LOOPBACK, port, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
