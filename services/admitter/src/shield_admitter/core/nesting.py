"""Cutting deep JSON down to a few levels, without recursion and without a tree.

The API server accepts objects of up to 10,000 levels (the limit of Go's ``encoding/json``), more
than a recursive reader survives. What the admitter reads of an object lies at the top, so deeper
values may as well be ``null``. Only brackets and strings are looked at: what is cut away is not
validated.
"""

from __future__ import annotations

import re
from typing import Final

# Go's encoding/json refuses more than 10,000 levels; a review wraps its object in two.
MAX_LEVELS: Final = 10_002

_TOKEN: Final = re.compile(rb'[][{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_OPENING: Final = frozenset(b"[{")
_QUOTE: Final = ord('"')


class NestingError(Exception):
    """Too deep, or brackets that do not match; whoever reads the text calls it malformed."""


def cut(text: bytes, *, keep: int) -> bytes:
    """Return JSON with every array and object below some level replaced by ``null``.

    Args:
        text: UTF-8 JSON.
        keep: how many levels stay; the outermost brackets are level 1.

    Raises:
        NestingError: deeper than `MAX_LEVELS`, or closing and opening brackets differ in number.
    """
    depth = 0
    kept: list[bytes] = []
    start = 0
    for token in _TOKEN.finditer(text):
        position = token.start()
        character = text[position]
        if character == _QUOTE:
            continue
        if character in _OPENING:
            depth += 1
            if depth == keep + 1:
                kept.append(text[start:position])
            elif depth > MAX_LEVELS:
                raise NestingError(f"nested deeper than {MAX_LEVELS} levels")
        else:
            depth -= 1
            if depth == keep:
                kept.append(b"null")
                start = position + 1
    if depth != 0:
        raise NestingError("brackets do not match")
    kept.append(text[start:])
    return b"".join(kept)
