"""One version in all places, and its notes."""

import re

import pytest

from tools.release.versions import ROOT, ReleaseError, notes, services, version, versions

CHANGELOG = """# Changelog

## [Unreleased]

Soon.

## [1.1.0] - 2026-12-01

### Added

- This.

## [1.0.0] - 2026-11-01

- That.
"""


def test_every_place_states_the_same_version() -> None:
    assert 1 == len(set(versions().values())), versions()


def test_chart_images_and_distributions_are_among_the_places() -> None:
    places = " ".join(versions())
    wanted = ["appVersion", "libs/shield_common", "clients/kubectl_shield"]
    wanted += [f"services/{service}/Dockerfile" for service in services()]
    assert [] == [part for part in wanted if part not in places]


@pytest.mark.parametrize("page", ["docs/quickstart.md", "deploy/helm/etcd-shield/README.md"])
def test_the_images_that_a_page_builds_have_the_tag_that_the_chart_asks_for(page: str) -> None:
    tags = re.findall(r"etcd-shield-\w+:(\d[\w.]*)", (ROOT / page).read_text())
    assert {version()} == set(tags)


def test_the_tag_has_to_be_the_version() -> None:
    now = version()
    assert now == version(f"v{now}")
    with pytest.raises(ReleaseError, match="the tag is v9"):
        version("v9.9.9")


def test_the_notes_are_the_section_of_the_version() -> None:
    assert "### Added\n\n- This.\n" == notes("1.1.0", CHANGELOG)


def test_before_a_release_the_notes_are_what_is_unreleased() -> None:
    assert "Soon.\n" == notes("1.2.0", CHANGELOG)


def test_a_version_that_the_changelog_lacks_is_an_error() -> None:
    with pytest.raises(ReleaseError, match=r"no section \[2\.0\.0\]"):
        notes("2.0.0", CHANGELOG.replace("Unreleased", "0.9.0"))


def test_the_changelog_has_notes_for_this_version() -> None:
    assert notes(version(), (ROOT / "CHANGELOG.md").read_text())
