"""Links of a page in the repository, as links of the site."""

import pytest

from tools.site.links import rewritten

PAGES = {"deploy/helm/etcd-shield/README.md": "chart.md", "docs/adr": "adr/index.md"}


def on_site(text: str, *, source: str = "docs/tuning.md", page: str = "tuning.md") -> str:
    return rewritten(text, source=source, page=page, pages=PAGES, url=lambda path: f"U/{path}")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        pytest.param("redis.md#users", "redis.md#users", id="another page"),
        pytest.param("images/a.png", "images/a.png", id="a picture"),
        pytest.param(
            "../deploy/helm/etcd-shield/README.md#install", "chart.md#install", id="chart"
        ),
        pytest.param("../tests/cluster", "U/tests/cluster", id="a file that is not shown"),
        pytest.param("adr/", "adr/index.md", id="the records"),
        pytest.param("adr/0000-template.md", "U/docs/adr/0000-template.md", id="a form to copy"),
        pytest.param("#here", "#here", id="an anchor"),
        pytest.param("https://kind.sigs.k8s.io", "https://kind.sigs.k8s.io", id="elsewhere"),
    ],
)
def test_a_link_of_a_page_leads_to_its_place_on_the_site(link: str, expected: str) -> None:
    assert f"[text]({expected})" == on_site(f"[text]({link})")


def test_a_link_of_a_file_outside_of_docs_leads_to_its_place_on_the_site() -> None:
    chart = {"source": "deploy/helm/etcd-shield/README.md", "page": "chart.md"}
    assert "[a](redis.md) [b](U/deploy/helm/etcd-shield/ci)" == on_site(
        "[a](../../../docs/redis.md) [b](ci/)", **chart
    )


def test_a_link_of_a_decision_record_leads_to_its_place_on_the_site() -> None:
    record = {"source": "docs/adr/0001-a.md", "page": "adr/0001-a.md"}
    assert "[a](../redis.md) [b](0002-b.md)" == on_site("[a](../redis.md) [b](0002-b.md)", **record)


def test_code_is_left_alone() -> None:
    assert "```\n[a](../tests)\n```" == on_site("```\n[a](../tests)\n```")
