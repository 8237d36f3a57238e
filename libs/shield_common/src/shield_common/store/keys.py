"""Names of keys and channels.

The cluster's name is a hash tag, so that all keys of one cluster live in one Redis Cluster slot
and one script may touch them all (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
"""

from __future__ import annotations

from typing import Final

# Fields of the hash of admitted runs that count held ones. No tier's name has a colon, so an
# evaluator that does not know these fields reports them as no tier and ignores them.
_HELD_FIELD: Final = "held:"


class Keys:
    """The keys of one cluster; each channel has the name of its key."""

    def __init__(self, cluster: str) -> None:
        prefix = f"etcd-shield:{{{cluster}}}:"
        self.decision = f"{prefix}decision"
        self.allow = f"{prefix}allow"
        self.latches = f"{prefix}latches"
        self.epoch = f"{prefix}epoch"
        self.lease = f"{prefix}lease"
        self.override = f"{prefix}override"
        self.admitted = f"{prefix}admitted"
        self.held = f"{prefix}held"


def held_field(tier: str) -> str:
    """Return the field of the hash of admitted runs that counts a tier's held runs."""
    return _HELD_FIELD + tier


def tier_of_held_field(field: str) -> str | None:
    """Return the tier whose held runs a field counts; None if it counts no held runs."""
    return field.removeprefix(_HELD_FIELD) if field.startswith(_HELD_FIELD) else None
