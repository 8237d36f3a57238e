"""The content of the hash of admitted runs, which any client with write access may have changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shield_common.config.types import NAME_PATTERN
from shield_common.store.keys import tier_of_held_field
from shield_common.store.protocol import MAX_COUNT, AdmittedTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ITEM_BYTES: Final = 69  # of a field or value that are read; "held:" and a tier have at most 68
_MAX_PROBLEMS: Final = 5  # of a hash full of garbage; the rest is counted
_TIER: Final = re.compile(NAME_PATTERN)


def decode_totals(items: Sequence[bytes]) -> AdmittedTotals:
    """Read field, value, field, value, ... as tiers and counts of admitted and of held runs.

    Args:
        items: each at most `MAX_ITEM_BYTES` long, longer ones cut.
    """
    totals: dict[str, int] = {}
    held: dict[str, int] = {}
    problems: list[str] = []
    for field, value in zip(items[::2], items[1::2], strict=True):
        name = field.decode(errors="backslashreplace")
        tier = tier_of_held_field(name)
        counts, tier = (totals, name) if tier is None else (held, tier)
        count = int(value) if value.isdigit() else -1
        if not _TIER.match(tier):
            problems.append(f"{name!r} is not the name of a tier")
        elif not 0 <= count <= MAX_COUNT:
            shown = value.decode(errors="backslashreplace")
            problems.append(f"{shown!r} is not a count of runs, in tier {tier}")
        else:
            counts[tier] = count
    more = len(problems) - _MAX_PROBLEMS
    if more > 0:
        problems[_MAX_PROBLEMS:] = [f"and {more} more"]
    return AdmittedTotals(totals, tuple(problems), held)
