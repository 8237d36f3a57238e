"""Names of keys and channels.

The cluster's name is a hash tag, so that all keys of one cluster live in one Redis Cluster slot
and one script may touch them all (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Fields of the hash of admitted runs that count held ones. No tier's name has a colon, so an
# evaluator that does not know these fields reports them as no tier and ignores them.
_HELD_FIELD: Final = "held:"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one cluster."""

    decision: str
    allow: str
    latches: str
    epoch: str
    lease: str
    override: str
    admitted: str
    held: str

    @classmethod
    def of(cls, cluster: str) -> Keys:
        """Return the keys of a cluster; each channel has the name of its key."""
        prefix = f"etcd-shield:{{{cluster}}}:"
        return cls(
            decision=f"{prefix}decision",
            allow=f"{prefix}allow",
            latches=f"{prefix}latches",
            epoch=f"{prefix}epoch",
            lease=f"{prefix}lease",
            override=f"{prefix}override",
            admitted=f"{prefix}admitted",
            held=f"{prefix}held",
        )


def held_field(tier: str) -> str:
    """Return the field of the hash of admitted runs that counts a tier's held runs."""
    return _HELD_FIELD + tier


def held_tier(field: str) -> str | None:
    """Return the tier whose held runs a field counts; None if it counts no held runs."""
    return field.removeprefix(_HELD_FIELD) if field.startswith(_HELD_FIELD) else None
