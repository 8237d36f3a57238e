"""The content of the hash of admitted runs, which any client with write access may have changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shield_common.config.types import NAME_PATTERN
from shield_common.store.protocol import MAX_COUNT, AdmittedTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ITEM_BYTES: Final = 64  # of a field or value that are read; a tier's name has at most 63
_MAX_PROBLEMS: Final = 5  # of a hash full of garbage; the rest is counted
_TIER: Final = re.compile(NAME_PATTERN)


def decode_totals(items: Sequence[bytes]) -> AdmittedTotals:
    """Read field, value, field, value, ... as tiers and counts.

    Args:
        items: each at most `MAX_ITEM_BYTES` long, longer ones cut.
    """
    totals: dict[str, int] = {}
    problems: list[str] = []
    for field, value in zip(items[::2], items[1::2], strict=True):
        tier = field.decode(errors="backslashreplace")
        count = int(value) if value.isdigit() else -1
        if not _TIER.match(tier):
            problems.append(f"{tier!r} is not the name of a tier")
        elif not 0 <= count <= MAX_COUNT:
            shown = value.decode(errors="backslashreplace")
            problems.append(f"{shown!r} is not a count of runs, in tier {tier}")
        else:
            totals[tier] = count
    more = len(problems) - _MAX_PROBLEMS
    if more > 0:
        problems[_MAX_PROBLEMS:] = [f"and {more} more"]
    return AdmittedTotals(totals, tuple(problems))
