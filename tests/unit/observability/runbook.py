"""docs/runbook.md as tools see it: sections by their anchors, and blocks of commands."""

import re
from dataclasses import dataclass

from tests.unit.observability.exposure import ROOT

RUNBOOK = ROOT / "docs" / "runbook.md"
_HEADING = re.compile(r"(?m)^## (.+)$")
_BLOCK = re.compile(r"(?ms)^```(\S+(?: \S+)?)\n(.*?)^```$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands or configuration.

    Attributes:
        section: The anchor of the section that it stands in; empty for the introduction.
        number: Its place among its section's blocks, from 1.
        language: What stands behind the fence: `sh`, `sh kubectl`, `yaml`.
        text: The block.
    """

    section: str
    number: int
    language: str
    text: str


def sections() -> dict[str, str]:
    """Return each section's text by the anchor that GitHub and Grafana give its heading."""
    parts = _HEADING.split(RUNBOOK.read_text())
    found = {"": parts[0]}
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        found[re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")] = text
    return found


def blocks() -> list[Block]:
    """Return all blocks in their order."""
    return [
        Block(section=section, number=number, language=match[1], text=match[2])
        for section, text in sections().items()
        for number, match in enumerate(_BLOCK.finditer(text), start=1)
    ]
