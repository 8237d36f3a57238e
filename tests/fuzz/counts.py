"""What must hold for any content of the hash in which admitters count."""

import re

from shield_common.store.admitted import MAX_ITEM_BYTES, decode_totals
from shield_common.store.protocol import MAX_COUNT
from shield_evaluator.core.reservations import MAX_BATCH_RUNS, counter_growth

_TIER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_COUNT = re.compile(r"[0-9]+")
_MAX_SENTENCES = 6  # five problems, and how many more there are


def admitted_counts(data: bytes) -> None:
    """A count is read as it is written; anything else is a stated problem and counts as no news.

    Args:
        data: A field or a value in each line. The script that reads them cuts long ones.
    """
    items = [line[:MAX_ITEM_BYTES] for line in data.split(b"\n")]
    items = items[: len(items) // 2 * 2]
    read = decode_totals(items)
    admitted: dict[str, int] = {}
    held: dict[str, int] = {}
    unusable = 0
    for field, value in zip(items[::2], items[1::2], strict=True):
        name = field.decode(errors="replace")
        counts, tier = (held, name[5:]) if name.startswith("held:") else (admitted, name)
        digits = value.decode(errors="replace")
        usable = _TIER.fullmatch(tier) and _COUNT.fullmatch(digits) and int(digits) <= MAX_COUNT
        if usable:
            counts[tier] = int(digits)
        unusable += not usable
    assert (admitted, held) == (dict(read.totals), dict(read.held))
    assert min(unusable, _MAX_SENTENCES) == len(read.problems)
    _grows_within_bounds(admitted)


def _grows_within_bounds(totals: dict[str, int]) -> None:
    """Whatever was counted before, a cycle reserves for a number of runs that can be true."""
    for before in ({}, totals, dict.fromkeys(totals, MAX_COUNT)):
        grown, implausible = counter_growth(before, totals)
        assert all(0 < runs <= MAX_BATCH_RUNS for runs in grown.values())
        assert totals.keys() >= {*grown, *implausible}
    assert ({}, ()) == counter_growth(totals, totals)
