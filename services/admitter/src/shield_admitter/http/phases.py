"""What a connection may wait for, and how long.

    phase    waits for                          when PATIENCE is over
    IDLE     the first byte of a request        close
    HEAD     the rest of its head               408, close
    QUEUED   memory for a large body            503, close
    BODY     the rest of its body               408, close
    LINGER   the client to take a refusal in    abort
    CLOSING  the peer to agree                  abort

QUEUED and BODY alternate as a large body grows, under one deadline for both.
"""

from __future__ import annotations

import enum
from typing import Final


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
WRITE_SECONDS: Final = 8.0  # for a client to read its answers

UNDER_WAY: Final = frozenset({Phase.HEAD, Phase.QUEUED, Phase.BODY})
BETWEEN: Final = frozenset({Phase.IDLE, Phase.HEAD})
OVER: Final = frozenset({Phase.LINGER, Phase.CLOSING})
