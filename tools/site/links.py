"""Links between files of the repository, as links between pages of the site."""

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Final

DOCS: Final = "docs"
# In docs/, and no page: a form to copy.
HIDDEN: Final = ("docs/adr/0000-template.md",)
# [text](target#anchor), also of a picture; neither an address nor an anchor alone.
_LINK: Final = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE: Final = re.compile(r"^\s*(```|~~~)")


def rewritten(
    text: str, *, source: str, page: str, pages: Mapping[str, str], url: Callable[[str], str]
) -> str:
    """Return a page's text in which each link works on the site.

    Args:
        text: Markdown.
        source: Path of the file in the repository; its links are relative to it.
        page: Path of the page below docs/, as mkdocs knows it.
        pages: Files of the repository outside docs/ that the site shows, with their pages.
        url: Gives the address of a file that the site does not show.
    """

    def link(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        shown = path.startswith(f"{DOCS}/") and not target.endswith("/") and path not in HIDDEN
        if shown:
            to = path.removeprefix(f"{DOCS}/")
        elif path in pages:
            to = pages[path]
        else:
            return f"]({url(path)}{anchor})"
        return f"]({posixpath.relpath(to, posixpath.dirname(page) or '.')}{anchor})"

    return _outside_of_code(text, lambda line: _LINK.sub(link, line))


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    lines, fence = [], ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1] == fence:
            fence = ""
        lines.append(line if fence or mark else change(line))
    return "\n".join(lines)
