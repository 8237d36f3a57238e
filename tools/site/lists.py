"""GitHub's lists for Python-Markdown, which reads two things differently.

It wants an empty line before a list, and the content of an item indented by four columns instead of
by the width of the marker.
"""

import re
from typing import Final

_ITEM: Final = re.compile(r"^( *)([-*]|\d+\.) +(?=\S)")
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_INDENT: Final = 4


def for_python_markdown(text: str) -> str:
    """Return the text with lists that Python-Markdown reads as GitHub does."""
    result: list[str] = []
    widths: list[int] = []  # columns of the marker, for each list that is open
    fenced = False
    for line in text.split("\n"):
        item = None if fenced else _ITEM.match(line)
        while widths and line.strip() and _indent(line) < sum(widths):
            # An item of the same list, the end of the list, or a lazy continuation.
            widths.pop()
        level = len(widths)
        if item:
            if level == 0 and result and result[-1].strip() and not _is_item(result[-1]):
                result.append("")
            widths.append(len(item[0]) - sum(widths))
        inner = line[sum(widths[:level]) :] if line.strip() else line
        result.append(" " * (_INDENT * level) + inner if inner.strip() else inner)
        if _FENCE.match(line):
            fenced = not fenced
    return "\n".join(result)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_item(line: str) -> bool:
    return bool(_ITEM.match(line)) or line.startswith(" ")
