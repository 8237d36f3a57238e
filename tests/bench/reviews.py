"""The reviews that the load sends: invented ones, or recorded ones from a directory."""

from collections.abc import Mapping
from pathlib import Path

from tests.rig.errors import RigError
from tests.rig.reviews import ReviewRequest, admission_review

LEAST = 3
SIZES: Mapping[str, int] = {"1 KB": 1_300, "19 KB": 19_000, "220 KB": 220_000, "3 MB": 3_000_000}


def invented(directory: Path) -> dict[str, Path]:
    """Write a review of each size; return them by name."""
    bodies = {}
    for name, size in SIZES.items():
        path = directory / f"{size}.json"
        path.write_bytes(admission_review(ReviewRequest(size=size)))
        bodies[name] = path
    return bodies


def real(directory: Path) -> dict[str, Path]:
    """Return the reviews (`*.json`) of a directory, named by their sizes, smallest first.

    Raises:
        RigError: There are fewer than three, which the bars need: small, typical and large.
    """
    files = sorted(directory.glob("*.json"), key=lambda path: path.stat().st_size)
    if len(files) < LEAST:
        raise RigError(f"{directory} has {len(files)} reviews (*.json); the bars need {LEAST}")
    return {f"{path.stat().st_size / 1000:.0f} KB": path for path in files}
