"""The built site: its pages, what they refer to, and a server on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
# `tox run -e docs` builds it there.
SITE = ROOT / ".tox" / "site"


@dataclass
class Page(HTMLParser):
    """One page.

    Attributes:
        path: Of the file below the site.
        links: Where its links lead.
        resources: What the browser loads with it: scripts, styles, pictures.
        anchors: Names within it that a link can lead to.
    """

    path: Path
    links: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text())

    def __hash__(self) -> int:
        return hash(self.path)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in {"img", "script", "iframe", "source"} and "src" in found:
            self.resources.append(found["src"])
        elif tag == "link" and "href" in found:
            self.resources.append(found["href"])

    def target(self, link: str) -> tuple[Path, str]:
        """Return the file that a relative link leads to, and the anchor in it."""
        parts = urlsplit(link)
        path = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


def is_elsewhere(link: str) -> bool:
    """Tell whether a link leaves the site."""
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def pages() -> list[Page]:
    """Read every page.

    Raises:
        FileNotFoundError: The site has not been built.
    """
    found = sorted(SITE.rglob("*.html"))
    if not found:
        raise FileNotFoundError(f"no site in {SITE}: run `tox run -e docs`")
    return [Page(path) for path in found]


class _Handler(SimpleHTTPRequestHandler):
    """Serves the site, and one page of the tests at the path `/measure`."""

    def __init__(self, *args: Any, measure: str, **kwargs: Any) -> None:
        self._measure = measure.encode()
        super().__init__(*args, directory=str(SITE), **kwargs)

    def do_GET(self) -> None:
        if self.path != "/measure":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self._measure)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(measure: str = "") -> Iterator[str]:
    """Serve the site on loopback; give its address.

    Args:
        measure: The page at `/measure`.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, measure=measure)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
