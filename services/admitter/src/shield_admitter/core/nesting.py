"""Cutting deep JSON down to a few levels, without recursion and without a tree.

The API server accepts objects of up to 10,000 levels (the limit of Go's ``encoding/json``), more
than a recursive reader survives. What the admitter reads of an object lies at the top, so deeper
values may as well be ``null``. Only brackets and strings are looked at: what is cut away is not
validated.

Theory of operation
===================

Whoever may create an object may fill 3 MiB of it with brackets, so nothing here is done bracket by
bracket. The text is taken in blocks. A block that lies below the limit from end to end, or above
it, is known by counting its brackets. Any other becomes one large integer with a lane for each
character, and is added to itself moved by 1, 2, 4, ... lanes: each lane then holds the sum of all
before it. The sum of steps (an opening bracket is one up, a closing one down) is the depth; the sum
of quotes without carry (xor) is 1 within a string.

What lies too deep becomes NUL, which JSON has nowhere. The closing bracket behind it stays: with
the NUL before it, it becomes ``null``, and the other NULs go.
"""

from __future__ import annotations

from typing import Final

# Go's encoding/json refuses more than 10,000 levels; a review wraps its object in two.
MAX_LEVELS: Final = 10_002

BLOCK: Final = 2048  # bytes; measured: with fewer there are more rounds, with more longer sums
_DISTANCES: Final = tuple(1 << bit for bit in range(BLOCK.bit_length() - 1))

# Lanes have 8 bits for strings and 16 for depths; the first character has the highest.
_ONE_OF_8: Final = int.from_bytes(b"\x01" * BLOCK, "big")
_ONE_OF_16: Final = int.from_bytes(b"\x00\x01" * BLOCK, "big")
_TOP_OF_16: Final = _ONE_OF_16 << 15
# A step is kept as 0 for down, 1 and 2 for up: so no lane borrows from its neighbour. What that
# adds to the sums: one to the first, two to the second, and so on.
_DOWN, _UP = 0, 2
_STEPS: Final = bytes(_UP if c in b"[{" else _DOWN if c in b"]}" else 1 for c in range(256))
_SURPLUS: Final = int.from_bytes(b"".join(n.to_bytes(2, "big") for n in range(1, BLOCK + 1)), "big")
_QUOTES: Final = bytes(c in b'"' for c in range(256))
_KEPT: Final = bytes(0 if c & 0x80 else 0xFF for c in range(256))


class NestingError(Exception):
    """Too deep, or brackets that do not match; whoever reads the text calls it malformed."""


def cut(text: bytes, *, keep: int) -> bytes:
    """Return JSON with every array and object below some level replaced by ``null``.

    Args:
        text: UTF-8 JSON.
        keep: how many levels stay; the outermost brackets are level 1.

    Raises:
        NestingError: deeper than `MAX_LEVELS`, closing and opening brackets differ in number, or
            there is a NUL.
    """
    if b"\0" in text:
        raise NestingError("a NUL is no JSON")
    unescaped = text.replace(rb"\\", b"  ").replace(rb"\"", b"  ")
    depth = 0
    quoted = False
    parts: list[bytes] = []
    for start in range(0, len(text), BLOCK):
        steps, quoted = _steps(unescaped[start : start + BLOCK], quoted=quoted)
        up, down = steps.count(_UP), steps.count(_DOWN)
        if depth - down > keep and depth + up <= MAX_LEVELS:
            parts.append(b"\0")
        elif depth + up <= keep:
            parts.append(text[start : start + BLOCK])
        else:
            parts.append(_shallow(text[start : start + BLOCK], steps, depth, keep))
        depth += up - down
    if depth != 0:
        raise NestingError("brackets do not match")
    joined = b"".join(parts)
    return joined.replace(b"\0]", b"null").replace(b"\0}", b"null").translate(None, b"\0")


def _steps(block: bytes, *, quoted: bool) -> tuple[bytes, bool]:
    """Return each character's step, and whether the block ends within a string."""
    block = block.ljust(BLOCK)
    steps = block.translate(_STEPS)
    inside = int.from_bytes(block.translate(_QUOTES), "big")
    if not inside and not quoted:
        return steps, False
    for distance in _DISTANCES:
        inside ^= inside >> 8 * distance
    if quoted:
        inside ^= _ONE_OF_8
    outside = (inside ^ _ONE_OF_8) * 0xFF
    level = (int.from_bytes(steps, "big") & outside) | inside
    return level.to_bytes(BLOCK, "big"), bool(inside & 1)


def _shallow(block: bytes, steps: bytes, depth: int, keep: int) -> bytes:
    """Return a block with NUL for what is too deep; `depth` is the one before it."""
    spread = bytearray(2 * BLOCK)
    spread[1::2] = steps
    sums = int.from_bytes(spread, "big")
    for distance in _DISTANCES:
        sums += sums >> 16 * distance
    if _above(MAX_LEVELS, sums, depth) & _TOP_OF_16:
        raise NestingError(f"nested deeper than {MAX_LEVELS} levels")
    flags = _above(keep, sums, depth).to_bytes(2 * BLOCK, "big")[: 2 * len(block) : 2]
    kept = int.from_bytes(flags.translate(_KEPT), "big")
    return (int.from_bytes(block, "big") & kept).to_bytes(len(block), "big")


def _above(level: int, sums: int, depth: int) -> int:
    """Return lanes whose top bits say where the depth is above a level."""
    return sums - _SURPLUS + _ONE_OF_16 * (depth - level - 1 + (1 << 15))
