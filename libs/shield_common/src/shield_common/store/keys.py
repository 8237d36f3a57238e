"""Names of keys and channels.

The cluster's name is a hash tag, so that all keys of one cluster live in one Redis Cluster slot
and one script may touch them all (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
"""

from __future__ import annotations

from dataclasses import dataclass


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
        )
