"""Fill the last column of docs/failure-modes.md: which tests show each row.

A test shows the row that its name begins with, ``test_r3_a_flushed_store_opens_nothing`` R3 and
``test_trial_s2_…`` the row ``trial S2``, and every row that a marker of it, of its class or of its
module names: ``@pytest.mark.shows("trial T12")``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "failure-modes.md"
ROW = re.compile(r"^\| (?P<id>(?:trial )?[A-Z]\d+) \| (?P<text>.*) \| (?P<tests>[^|]*)\|$")
# What shows a row besides tests with its name.
COMMANDS = {
    "B1": "`make demo`",
    "S1": "`make demo`",
    "S3": "`tox run -e soak`",
    "trial T1": "`make demo`",
}
# Only trials have rows with a T. Their rows with an S say so, because the fault table has others.
NAME = re.compile(r"^test_(?P<trial>trial_)?(?P<rows>([abehknprst]\d+_)+)")


def rows_with_tests(root: Path) -> dict[str, list[str]]:
    """Return, by row, each file and how many of its tests show the row."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8")).body
        counts = Counter(chain.from_iterable(_rows_of_tests(module, _marks_of_module(module))))
        for row, count in counts.items():
            found[row].append(f"{path.relative_to(root / 'tests').as_posix()} ({count})")
    return found


def rows_of_name(name: str) -> set[str]:
    """Return the rows that the name of a test begins with."""
    match = NAME.match(name)
    if match is None:
        return set()
    named = match["rows"].upper().strip("_").split("_")
    return {f"trial {row}" if match["trial"] or row.startswith("T") else row for row in named}


def render(page: str, tests: dict[str, list[str]]) -> str:
    """Return the page with the last column filled in."""
    return "\n".join(_render_line(line, tests) for line in page.split("\n"))


def rows(page: str) -> list[str]:
    """Return the rows' names, in order."""
    return [match["id"] for line in page.split("\n") if (match := ROW.match(line))]


def _rows_of_tests(body: list[ast.stmt], inherited: set[str]) -> Iterator[set[str]]:
    """Return the rows of each test of a module or class."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _rows_of_tests(node.body, inherited | _marks(node.decorator_list))
        elif _is_test(node):
            yield inherited | _marks(node.decorator_list) | rows_of_name(node.name)


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
        "test_"
    )


def _marks_of_module(body: list[ast.stmt]) -> set[str]:
    """Return the rows that `pytestmark` of a module names."""
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            return _marks(node.value.elts if isinstance(node.value, ast.List) else [node.value])
    return set()


def _marks(decorators: list[ast.expr]) -> set[str]:
    return {
        str(argument.value)
        for decorator in decorators
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.shows"
        for argument in decorator.args
        if isinstance(argument, ast.Constant)
    }


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
