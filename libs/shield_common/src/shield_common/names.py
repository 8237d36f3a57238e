"""Which names are refused before anything starts.

Those of clusters, tiers and signals go into Redis keys, metric labels and sentences: the braces of
a Redis hash tag, spaces and control characters must not get in. Those of hosts go to the resolver.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

# Python's `$` also matches before a last newline, hence the (?!\n); a schema's reader, whose
# `$` does not, need not know `\Z`.
NAME_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$(?!\n)"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]

# A link for people: what follows the scheme is printed as it stands, so only visible ASCII.
LINK_PATTERN: Final = r"^https?://[!-~]+$(?!\n)"
MAX_LINK: Final = 500  # characters; it ends messages that the API server cuts off


def can_be_host(name: str) -> bool:
    """Say whether a name can be looked up at all.

    Python's resolver raises UnicodeError, which no client expects, for an empty label (``a..b``)
    and for one of more than 63 bytes (RFC 1035, 2.3.4).
    """
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
