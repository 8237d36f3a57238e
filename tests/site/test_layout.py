"""The pages in a browser, as wide as a phone and as a desktop: nothing sticks out sideways."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from tests.rig.browser import Browser
from tests.rig.lifetime import Rig
from tests.site.built import SITE, pages, served

# Records all look alike: one of them is measured.
SHOWN = [
    str(page.path.relative_to(SITE))
    for page in pages()
    if page.path.name == "index.html"
    and not re.match(r"adr/(?!0001)\d", str(page.path.relative_to(SITE)))
]
# The page's own frame is as wide as its window. `load` waits for every frame.
MEASURE = """<!doctype html><title>measure</title><body>
{frames}<pre id="found"></pre>
<script>
addEventListener("load", () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument.documentElement;
    found[frame.name] = [page.scrollWidth, page.clientWidth, frame.contentDocument.title];
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""
# Pages in one opening: more of them need much memory at once.
TOGETHER = 12


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Rig() as rig:
        yield Browser(rig)


@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desktop"])
@pytest.mark.parametrize(
    "paths", [SHOWN[at : at + TOGETHER] for at in range(0, len(SHOWN), TOGETHER)],
    ids=lambda paths: paths[0],
)  # fmt: skip
async def test_no_page_is_wider_than_its_window(
    browser: Browser, width: int, paths: list[str]
) -> None:
    frames = "\n".join(
        f'<iframe name="{path}" src="/{path}" width="{width}" height="700"></iframe>'
        for path in paths
    )
    with served(MEASURE.format(frames=frames)) as address:
        opened = await browser.document(f"{address}/measure")
    text = re.search(r'<pre id="found">(.+?)</pre>', opened.output, re.DOTALL)
    assert text is not None, opened.console
    found = json.loads(unescape(text[1]))
    assert set(paths) == {path for path, (_, _, title) in found.items() if "etcd-shield" in title}
    too_wide = {path: wide for path, (wide, shown, _) in found.items() if wide > shown}
    assert {} == too_wide
