"""The decision document as docs/architecture.md shows it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields

from shield_common.decision import (
    Decision,
    SignalObservation,
    TierDecision,
    TierHold,
    decode_decision,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "architecture.md"


def example() -> Any:
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = [block for block in blocks if '"tiers"' in block]
    return json.loads(block)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ((), Decision),
        (("tiers", "standard"), TierDecision),
        (("tiers", "standard", "hold"), TierHold),
        (("signals", "db-file"), SignalObservation),
    ],
    ids=["document", "tier", "slots", "signal"],
)
def test_the_example_of_a_decision_has_every_field(
    path: tuple[str, ...], kind: type[Struct]
) -> None:
    shown = example()
    for step in path:
        shown = shown[step]
    assert {field.encode_name for field in fields(kind)} == set(shown)


def test_the_example_of_a_decision_can_be_decoded() -> None:
    assert not decode_decision(json.dumps(example()).encode()).allow
