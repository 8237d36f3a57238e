"""GitHub's Markdown for Python-Markdown, which reads three things differently.

It wants an empty line before a list, the content of an item indented by four columns instead of by
the width of the marker, and a single word after the mark of a code block.
"""

import re
from typing import Final

_ITEM: Final = re.compile(r"^( *)([-*]|\d+\.) +(?=\S)")
# The runbook's tests read further words, such as `sh kubectl`.
_FENCE: Final = re.compile(r"^(\s*(?:```|~~~)\w*)(?: .*)?$")
_INDENT: Final = 4


def for_python_markdown(text: str) -> str:
    """Return the text so that Python-Markdown reads it as GitHub does."""
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
        mark = _FENCE.match(inner)
        if mark:
            inner = mark[1]
            fenced = not fenced
        result.append(" " * (_INDENT * level) + inner if inner.strip() else inner)
    return "\n".join(result)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_item(line: str) -> bool:
    return bool(_ITEM.match(line)) or line.startswith(" ")
