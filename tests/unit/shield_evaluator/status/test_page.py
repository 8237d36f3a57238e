"""The rendered status page: nothing on it is more than text, and everybody can read it."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from shield_evaluator.status.page import HEADERS, MAX_TEXT, STYLE, render
from shield_evaluator.status.view import view_of
from tests.unit.shield_evaluator.page_scenes import (
    HOSTILE,
    RUNBOOK,
    SCENES,
    admitting,
    denying,
    hostile,
    scene,
    seen,
)
from tests.unit.shield_evaluator.status.reading import Reader, text_of

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
by_scene = pytest.mark.parametrize("name", list(SCENES))


@by_scene
def test_the_page_refreshes_every_interval(name: str) -> None:
    assert {"http-equiv": "refresh", "content": "5"} in Reader(render(SCENES[name]())).all("meta")


def test_the_refresh_can_be_turned_off() -> None:
    reader = Reader(render(denying(), refresh=False))
    assert [] == [meta for meta in reader.all("meta") if "http-equiv" in meta]


@by_scene
def test_the_page_runs_and_loads_nothing(name: str) -> None:
    reader = Reader(render(SCENES[name]()))
    foreign = {"script", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
    assert set() == foreign & {tag for tag, _ in reader.elements}


@by_scene
def test_no_element_has_a_handler_or_a_style_attribute(name: str) -> None:
    names = {attribute for _, has in Reader(render(SCENES[name]())).elements for attribute in has}
    assert set() == {attribute for attribute in names if attribute.startswith(("on", "style"))}


@by_scene
def test_links_lead_only_to_the_runbook_and_to_the_evaluator(name: str) -> None:
    reader = Reader(render(SCENES[name]()))
    targets = [str(has.get("href") or has.get("src")) for _, has in reader.elements]
    allowed = ("None", RUNBOOK, "status", "?refresh=off", "data:image/svg+xml,")
    assert [] == [target for target in targets if not target.startswith(allowed)]


def test_html_in_a_members_name_is_shown_as_text() -> None:
    shown = HOSTILE.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert f"Worst member: {shown}." in text_of(hostile())


def test_control_and_direction_characters_are_replaced() -> None:
    assert [] == [c for c in render(hostile()).decode() if not c.isprintable() and c != "\n"]


def test_a_very_long_text_is_cut() -> None:
    snapshot = scene({"db-file": seen(0.934, member="x" * 10_000), "db-in-use": seen(0.5)})
    assert "x" * MAX_TEXT not in text_of(snapshot)


def test_a_lone_surrogate_is_replaced() -> None:
    snapshot = scene({"db-file": seen(0.934, member="a\ud800b"), "db-in-use": seen(0.5)})
    assert "a\ufffdb" in text_of(snapshot)


def test_the_policy_names_the_style_sheet_by_its_digest() -> None:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in HEADERS["Content-Security-Policy"]


def test_the_style_sheet_arrives_as_it_was_hashed() -> None:
    assert f"<style>{STYLE}</style>".encode() in render(admitting())


@pytest.mark.parametrize(
    "rule",
    ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
)
def test_the_policy_forbids_everything_else(rule: str) -> None:
    assert rule in HEADERS["Content-Security-Policy"]


@by_scene
def test_every_class_on_the_page_is_in_the_style_sheet(name: str) -> None:
    used = " ".join(str(has.get("class", "")) for _, has in Reader(render(SCENES[name]())).elements)
    # The states of a latch and of a signal are styled only where they are not as usual.
    plain = {"ok", "unknown"}
    styled = set(re.findall(r"\.([a-z-]+)", STYLE))
    assert set() == set(used.split()) - styled - plain


@by_scene
def test_headings_leave_no_level_out(name: str) -> None:
    levels = [
        int(tag[1]) for tag, _ in Reader(render(SCENES[name]())).elements if tag[0:2] in HEADINGS
    ]
    steps = [after - before for before, after in zip([0, *levels], levels, strict=False)]
    assert [] == [step for step in steps if step > 1]


@by_scene
def test_every_drawing_is_described_for_screen_readers(name: str) -> None:
    snapshot = SCENES[name]()
    drawings = Reader(render(snapshot)).all("svg")
    described = [has["aria-label"] for has in drawings if has.get("role") == "img"]
    signals = view_of(snapshot).signals
    scales = [scale.words for signal in signals for scale in signal.scales]
    curves = [signal.curve.words for signal in signals if signal.curve is not None]
    assert sorted(scales + curves) == sorted(map(str, described))


def test_a_scale_is_described_with_value_thresholds_and_effect() -> None:
    labels = [drawing.get("aria-label") for drawing in Reader(render(denying())).all("svg")]
    assert "standard: 93.4% denies; reset 80%, warn 80%, set 90%" in labels


def test_without_a_runbook_the_advice_has_no_link() -> None:
    reader = Reader(render(replace(denying(), runbook_url=None)))
    assert ["?refresh=off", "status"] == [link["href"] for link in reader.all("a")]


def _colours(scheme: str) -> dict[str, str]:
    light, dark = STYLE.split("@media(prefers-color-scheme:dark)", maxsplit=1)
    declared = light if scheme == "light" else dark.partition("}}")[0]
    return dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", declared))


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2 (https://www.w3.org/TR/WCAG22/)."""
    digits = colour[1:] if len(colour) > 4 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "background"),
    [
        ("ink", "card"),
        ("ink", "page"),
        ("ink", "note-wash"),
        ("ink", "over-wash"),
        ("soft", "card"),
        ("soft", "page"),
        ("good", "card"),
        ("near", "card"),
        ("over", "card"),
        ("unknown", "card"),
        ("note", "card"),
        ("note", "page"),
        ("good", "good-wash"),
        ("over", "over-wash"),
    ],
)
def test_text_has_the_contrast_of_wcag_aa(scheme: str, text: str, background: str) -> None:
    colours = _colours(scheme)
    assert 4.5 <= _contrast(colours[text], colours[background])
