"""Links within the site and to other hosts, in the HTML; mkdocs has checked the Markdown."""

import os
import re

import pytest

from tests.site.built import ROOT, SITE, Page, is_elsewhere, pages

# As in mkdocs.yml.
REPOSITORY = os.environ.get("REPOSITORY_URL", "https://example.com/etcd-shield")
PAGES = pages()
BY_PATH = {page.path: page for page in PAGES}
# Its addresses are absolute from the root of a server that is not known yet.
NOT_FOUND = SITE / "404.html"
by_page = pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.path != NOT_FOUND],
    ids=lambda page: str(page.path.relative_to(SITE)),
)


@by_page
def test_every_link_within_the_site_leads_somewhere(page: Page) -> None:
    broken = []
    for link in page.links + page.resources:
        if not is_elsewhere(link):
            path, anchor = page.target(link)
            known = BY_PATH.get(path)
            if not path.is_file() or (anchor and known and anchor not in known.anchors):
                broken.append(link)
    assert [] == broken


@by_page
def test_a_page_loads_nothing_from_another_host(page: Page) -> None:
    assert [] == [resource for resource in page.resources if is_elsewhere(resource)]


@by_page
def test_every_file_of_the_repository_that_a_page_links_to_exists(page: Page) -> None:
    form = re.compile(rf"{re.escape(REPOSITORY)}/(?:blob|tree)/main/([^#]*)")
    paths = [found[1] for link in page.links if (found := form.match(link))]
    assert [] == [path for path in paths if not (ROOT / path).exists()]


def test_no_style_loads_from_another_host() -> None:
    loads = re.compile(r"(?:@import\s+|url\()['\"]?(?:https?:)?//")
    assert [] == [style for style in SITE.rglob("*.css") if loads.search(style.read_text())]


def test_every_page_of_docs_is_on_the_site() -> None:
    sources = (ROOT / "docs").rglob("*.md")
    names = {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in sources}
    names -= {"index", "adr/0000-template"}
    assert set() == {name for name in names if not (SITE / name / "index.html").is_file()}


@pytest.mark.parametrize(
    "program", ["shield-evaluator", "shield-admitter", "shield-controller", "kubectl-shield"]
)
def test_the_reference_has_every_program_with_its_subcommands(program: str) -> None:
    anchors = BY_PATH[SITE / "commands" / "index.html"].anchors
    assert 3 <= len([anchor for anchor in anchors if anchor.startswith(program)])
