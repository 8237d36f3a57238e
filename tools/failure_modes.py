"""Fill the last column of docs/failure-modes.md: which tests show each row.

A test belongs to the row that its name begins with: ``test_r3_a_flushed_store_opens_nothing`` is
R3's.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "failure-modes.md"
ROW = re.compile(r"^\| (?P<id>[ABEKPRS]\d+) \| (?P<text>.*?) \| (?P<tests>[^|]*)\|$")
# What shows a row besides tests with its name.
COMMANDS = {"B1": "`make demo`", "S1": "`make demo`", "S3": "`tox run -e soak`"}
NAME = re.compile(r"^test_(?P<id>[abekprs]\d+)_")


def rows_with_tests(root: Path) -> dict[str, list[str]]:
    """Return, by row, each file and how many of its tests show the row."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        counts: dict[str, int] = defaultdict(int)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                match = NAME.match(node.name)
                if match:
                    counts[match["id"].upper()] += 1
        for row, count in counts.items():
            found[row].append(f"{path.relative_to(root / 'tests').as_posix()} ({count})")
    return found


def render(page: str, tests: dict[str, list[str]]) -> str:
    """Return the page with the last column filled in."""
    return "\n".join(_render_line(line, tests) for line in page.split("\n"))


def rows(page: str) -> list[str]:
    """Return the rows' names, in order."""
    return [match["id"] for line in page.split("\n") if (match := ROW.match(line))]


def _render_line(line: str, tests: dict[str, list[str]]) -> str:
    match = ROW.match(line)
    if match is None:
        return line
    named = [f"`{test}`" for test in tests.get(match["id"], [])]
    shown = ", ".join([*named, *filter(None, [COMMANDS.get(match["id"])])])
    return f"| {match['id']} | {match['text']} | {shown} |"


def main() -> None:
    """Write the page, or with ``--check`` only say whether it is current."""
    page = PAGE.read_text(encoding="utf-8")
    fresh = render(page, rows_with_tests(ROOT))
    if "--check" in sys.argv[1:]:
        sys.exit(0 if fresh == page else f"{PAGE.name} is stale: run python tools/failure_modes.py")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
