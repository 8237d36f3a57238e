"""Reading a rendered status page: its text, and every element with its attributes."""

import re
from html.parser import HTMLParser

from shield_evaluator.status.page import render
from shield_evaluator.status.snapshot import Snapshot


class Reader(HTMLParser):
    """Reads one page.

    Attributes:
        elements: Every start tag with its attributes, in order.
    """

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self._words: list[str] = []
        self._in_style = False
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self._words.append(data)

    @property
    def text(self) -> str:
        """What a person reads, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self._words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]


def text_of(snapshot: Snapshot) -> str:
    """Return the text of a snapshot's page."""
    return Reader(render(snapshot)).text
