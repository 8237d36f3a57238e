"""The held PipelineRuns, from kubectl's JSON to a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

HELD: Final = "etcd-shield.dev/held"
BECAUSE: Final = "etcd-shield.dev/held-because"
_HEADINGS: Final = ("TIER", "NAMESPACE", "NAME", "WAITS", "BECAUSE")
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, kw_only=True)
class HeldRun:
    """One held run.

    Attributes:
        tier: the tier that it waits in.
        namespace: its namespace.
        name: its name.
        created: when it was created, UTC.
        because: why it is held, as the admitter wrote it.
    """

    tier: str
    namespace: str
    name: str
    created: datetime
    because: str

    def document(self) -> dict[str, str]:
        """Return it for programs."""
        created = self.created.isoformat().replace("+00:00", "Z")
        return {
            "tier": self.tier,
            "namespace": self.namespace,
            "name": self.name,
            "created": created,
            "because": self.because,
        }


def held_runs(listed: str) -> list[HeldRun]:
    """Return the held runs of a `kubectl get --output=json`, the oldest first."""
    runs = [_held_run(item["metadata"]) for item in json.loads(listed)["items"]]
    return sorted(runs, key=lambda run: (run.created, run.namespace, run.name))


def table(runs: list[HeldRun], *, now: datetime) -> str:
    """Return the runs as a table for people, or a sentence if there are none."""
    if not runs:
        return "no run is held"
    rows = [_HEADINGS]
    for run in runs:
        waits = _waits((now - run.created).total_seconds())
        rows.append((run.tier, run.namespace, run.name, waits, run.because))
    cells = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _held_run(metadata: dict[str, Any]) -> HeldRun:
    return HeldRun(
        tier=metadata["labels"][HELD],
        namespace=metadata["namespace"],
        name=metadata["name"],
        created=datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC),
        because=metadata.get("annotations", {}).get(BECAUSE, ""),
    )


def _waits(seconds: float) -> str:
    """Return an age in its largest unit, as kubectl does. Clocks differ, so it is never below 0."""
    whole = max(0, int(seconds))
    for length, unit in _UNITS:
        if whole >= length:
            return f"{whole // length}{unit}"
    return "0s"


def _printable(text: str) -> str:
    """Escape what a terminal would obey: anybody who may edit a run writes its annotations."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
