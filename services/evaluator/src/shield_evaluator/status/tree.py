"""HTML as a tree, so that nothing on the page can escape from its place.

Every text and attribute goes through `element`: what a terminal or a bidirectional layout would
obey is replaced, what is too long is cut, and the serialiser escapes the rest.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

__all__ = ["Element", "Node", "document", "element"]

MAX_TEXT: Final = 400  # characters; no sentence of ours is longer, a hostile one may be

Node = Element | str | None


def element(tag: str, attributes: dict[str, str | float] | None = None, *children: Node) -> Element:
    """Return an element; children that are None are left out.

    Args:
        tag: its name.
        attributes: of the element.
        children: elements and texts.
    """
    node = Element(tag)
    for name, value in (attributes or {}).items():
        node.set(name, _printable(value) if isinstance(value, str) else f"{value:g}")
    last: Element | None = None
    for child in children:
        if child is None:
            continue
        if isinstance(child, Element):
            node.append(child)
            last = child
        elif last is None:
            node.text = (node.text or "") + harmless(child)
        else:
            last.tail = (last.tail or "") + harmless(child)
    return node


def harmless(text: str) -> str:
    """Replace what is not printable, and cut what is too long."""
    return _printable(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")


def _printable(text: str) -> str:
    # Control characters, lone surrogates, and marks that turn the direction of what follows.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def document(*, title: str, style: str, head: list[Element], body: Element) -> bytes:
    """Return a whole page as UTF-8.

    Args:
        title: of the tab.
        style: our own CSS, written as it is.
        head: further elements of the head.
        body: the body.
    """
    root = Element("html", {"lang": "en"})
    top = SubElement(root, "head")
    SubElement(top, "meta", {"charset": "utf-8"})
    top.append(element("title", None, title))
    top.extend(head)
    SubElement(top, "style").text = style
    root.append(body)
    return b"<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html").encode()
