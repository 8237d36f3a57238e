"""What fuzzing found once, and what it starts from, holds for good (A3, A4, R11)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parents[2] / "fuzz" / "corpus"


def entries() -> Iterator[object]:
    for name in TARGETS:
        for path in sorted((CORPUS / name).iterdir()):
            yield pytest.param(name, path, id=f"{name}-{path.name}")


@pytest.mark.parametrize(("name", "path"), list(entries()))
def test_a4_what_fuzzing_tried_holds(name: str, path: Path) -> None:
    TARGETS[name](path.read_bytes())
