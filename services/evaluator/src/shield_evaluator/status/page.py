"""Rendering of the status page: the template, the style sheet, and the headers they need.

Nothing that others wrote can be more than text here. Jinja2 escapes every value; before that,
`_printable` replaces what a browser's layout would obey, and cuts what is too long.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from shield_common.text import truncate
from shield_evaluator.status import chart
from shield_evaluator.status.view import view_of

if TYPE_CHECKING:
    from shield_evaluator.status.snapshot import Snapshot

MAX_TEXT: Final = 400  # characters; none of our own sentences is longer, but a foreign text may be

_PACKAGE: Final = files("shield_evaluator.status")
STYLE: Final = (_PACKAGE / "style.css").read_text()

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    # Nothing may run, be loaded, be sent or be framed. The only style sheet is named by its digest,
    # and the tab's icon is a picture inside the page.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ICON_COLORS: Final = {
    "good": "#1a7f37",
    "near": "#bf8700",
    "over": "#c4242b",
    "unknown": "#57606a",
}


def render(snapshot: Snapshot, *, refresh: bool = True) -> bytes:
    """Return the page as UTF-8.

    Args:
        snapshot: what it shows.
        refresh: whether the browser loads it again every interval.
    """
    view = view_of(snapshot)
    page = _TEMPLATE.render(view=view, chart=chart, icon=_icon(view.level), refresh=refresh)
    return page.encode()


def _icon(level: str) -> str:
    dot = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'<circle cx="8" cy="8" r="7" fill="{_ICON_COLORS[level]}"/></svg>'
    )
    return f"data:image/svg+xml,{quote(dot)}"


def _printable(value: object) -> object:
    """Make every value of the template harmless; Jinja2 escapes it afterwards."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    # Control characters, lone surrogates, and marks that reverse the direction of what follows.
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in truncate(value, MAX_TEXT)
    )


_TEMPLATE: Final = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_printable,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=[],
).from_string((_PACKAGE / "template.html").read_text(), globals={"style": Markup(STYLE)})  # noqa: S704 - our own file, hashed above; escaping it would break the digest
