"""The status page: what it says, and that nothing on it can be more than text."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from shield_evaluator.core.forecast import SPAN_MS, History
from shield_evaluator.core.plan import Threshold, Unit
from shield_evaluator.status import chart
from shield_evaluator.status.facts import Facts
from shield_evaluator.status.serve import HEADERS, render
from shield_evaluator.status.style import STYLE
from shield_evaluator.status.words import clock, duration, sentence
from tests.unit.shield_evaluator.page_scenes import (
    HOSTILE,
    NOON,
    NOW_MS,
    RUNBOOK,
    SCENES,
    admitting,
    denying,
    hostile,
    kinds,
    overridden,
    scene,
    seen,
)


class Reader(HTMLParser):
    """Reads a page: its text, and every element with its attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._in_style = False
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def text_of(facts: Facts) -> str:
    return Reader(render(facts)).text


by_scene = pytest.mark.parametrize("name", list(SCENES))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("admitting", "Admitting every tier"),
        ("denying", "Denying tiers standard, background"),
        ("blind", "Signal db-file is blind. No samples."),
        ("overridden", "Overridden: tier standard admits until 12:23:00Z (22 min left)."),
        ("starting", "No decision yet"),
        ("hostile", "Denying every tier"),
        ("standby", "This evaluator stands by. What follows is the writer's last decision."),
        ("kinds", "Denying tier standard Alert EtcdFull is firing."),
    ],
)
def test_it_says_in_a_sentence_how_things_are(name: str, words: str) -> None:
    assert words in text_of(SCENES[name]())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("✕ Denying since 11:48:00Z, for 12 min", id="since when"),
        pytest.param("etcd is at 93.4% of its quota.", id="why"),
        pytest.param("Until db-file is below 80% .", id="until what"),
        pytest.param("Worst member: 10.0.0.3:2379. 3 of 3 members answered.", id="members"),
        pytest.param("the quota is reached in 14 min", id="time to full"),
        pytest.param("held by this evaluator", id="lease"),
        pytest.param("2 s old, epoch 7, sequence 4211", id="decision"),
        pytest.param("11:29:00Z background denying etcd is at 85.1% of its quota", id="changes"),
        pytest.param("Defragment etcd", id="what to do"),
    ],
)
def test_a_denial_is_explained_with(words: str) -> None:
    assert words in text_of(denying()).replace("  ", " ")


def test_a_tier_waits_for_every_signal_whose_latch_is_set() -> None:
    facts = scene({"db-file": seen(0.95), "db-in-use": seen(0.9)})
    assert "Until db-file is below 80% and db-in-use is below 75%" in text_of(facts)


def test_a_tier_that_an_alert_denies_waits_for_its_end() -> None:
    assert "Until alert EtcdFull stops ." in text_of(kinds())


def test_an_alert_has_no_thresholds_to_show() -> None:
    assert "EtcdFull firing - - - set" in text_of(kinds())


def test_a_number_is_no_percentage() -> None:
    assert "pending 37 30 50 10 reset" in text_of(kinds())


def test_a_missing_member_is_said_once() -> None:
    assert 1 == text_of(kinds()).count("2 of 3 members answered")


def test_an_override_says_who_and_why() -> None:
    said = "“release of 4.19 must finish, etcd is being defragmented”, by carol at 11:53:00Z."
    assert said in text_of(overridden())


def test_the_default_tier_comes_first() -> None:
    tiers = [a["id"] for a in Reader(render(denying())).all("article") if "tier-" in str(a["id"])]
    assert ["tier-standard", "tier-critical", "tier-background"] == tiers


def test_a_store_that_does_not_answer_is_said_first() -> None:
    said = text_of(replace(denying(), redis="connection refused"))
    assert "Redis does not answer. Decisions do not reach the admitters: connection refused" in said


def test_links_lead_into_the_runbook() -> None:
    links = [str(a["href"]) for a in Reader(render(denying())).all("a")]
    assert [f"{RUNBOOK}#etcdshielddefragwouldhelp", f"{RUNBOOK}#break-glass", "status"] == links


def test_without_a_runbook_the_advice_stands_alone() -> None:
    facts = replace(denying(), runbook_url=None)
    assert ["status"] == [a["href"] for a in Reader(render(facts)).all("a")]


@by_scene
def test_it_refreshes_itself_every_interval(name: str) -> None:
    assert {"http-equiv": "refresh", "content": "5"} in Reader(render(SCENES[name]())).all("meta")


@by_scene
def test_nothing_on_it_runs_or_is_fetched(name: str) -> None:
    reader = Reader(render(SCENES[name]()))
    foreign = {"script", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
    assert set() == foreign & {tag for tag, _ in reader.elements}


@by_scene
def test_no_element_has_a_handler_or_a_style_of_its_own(name: str) -> None:
    names = {attribute for _, has in Reader(render(SCENES[name]())).elements for attribute in has}
    assert set() == {attribute for attribute in names if attribute.startswith(("on", "style"))}


@by_scene
def test_what_it_refers_to_is_the_runbook_the_status_and_its_own_icon(name: str) -> None:
    reader = Reader(render(SCENES[name]()))
    targets = [str(has.get("href") or has.get("src")) for _, has in reader.elements]
    allowed = ("None", RUNBOOK, "status", "data:image/svg+xml,")
    assert [] == [target for target in targets if not target.startswith(allowed)]


def test_a_hostile_text_is_shown_as_text() -> None:
    shown = HOSTILE.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert f"Worst member: {shown}." in text_of(hostile())


def test_nothing_that_a_terminal_or_a_layout_obeys_is_on_the_page() -> None:
    assert [] == [c for c in render(hostile()).decode() if not c.isprintable() and c != "\n"]


def test_a_text_without_end_is_cut() -> None:
    facts = scene({"db-file": seen(0.934, member="x" * 10_000), "db-in-use": seen(0.5)})
    assert "x" * 500 not in text_of(facts)


def test_a_lone_surrogate_does_not_break_it() -> None:
    facts = scene({"db-file": seen(0.934, member="a\ud800b"), "db-in-use": seen(0.5)})
    assert "a\ufffdb" in text_of(facts)


def test_the_policy_names_the_only_style_by_its_digest() -> None:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in HEADERS["Content-Security-Policy"]


def test_the_style_arrives_as_it_was_hashed() -> None:
    assert f"<style>{STYLE}</style>".encode() in render(admitting())


@pytest.mark.parametrize(
    "rule",
    ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
)
def test_the_policy_forbids_everything_else(rule: str) -> None:
    assert rule in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h 0 min"),
        (86_400 * 2 + 3600, "2 d 1 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert words == duration(seconds)


@pytest.mark.parametrize(
    ("moment", "words"),
    [(NOON, "12:00:00Z"), (NOON - timedelta(days=1), "2026-11-20 12:00Z")],
    ids=["today", "yesterday"],
)
def test_a_moment_has_its_date_unless_that_is_today(moment: datetime, words: str) -> None:
    assert words == clock(moment, now=datetime(2026, 11, 21, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("no samples", "No samples."),
        ("etcd is full", "etcd is full."),
        ("db-file is blind.", "db-file is blind."),
        ("", "."),
    ],
)
def test_a_reason_is_written_as_a_sentence(text: str, written: str) -> None:
    assert written == sentence(text)


THRESHOLDS = {"standard": Threshold(set=0.9, reset=0.8)}


def drawn(points: list[tuple[int, float]]) -> list[str]:
    """Return the curve's stretches as they are drawn."""
    history = History()
    for ms, value in points:
        history.add(ms, value)
    picture = chart.line(history, THRESHOLDS, now_ms=NOW_MS, top=1.0, tier="standard")
    return [part.get("points", "") for part in picture if part.get("class") == "curve"]


def test_a_line_spans_the_hour() -> None:
    curve = drawn([(NOW_MS - SPAN_MS + minute * 60_000, 0.5) for minute in range(1, 61)])
    assert ("10.0", "600.0") == (curve[0].split(",")[0], curve[0].split()[-1].split(",")[0])


def test_a_hole_in_the_observations_is_a_hole_in_the_line() -> None:
    early, late = NOW_MS - 600_000, NOW_MS - 60_000
    times = [early, early + 20_000, late, late + 20_000]
    assert 2 == len(drawn([(ms, 0.5) for ms in times]))


def test_a_short_peak_is_not_lost_between_points() -> None:
    times = [NOW_MS - SPAN_MS + second * 5_000 for second in range(1, 721)]
    curve = drawn([(ms, 0.99 if index == 333 else 0.2) for index, ms in enumerate(times)])
    assert 1 == sum(float(point.split(",")[1]) < 5 for point in curve[0].split())


@pytest.mark.parametrize(
    ("unit", "value", "top"),
    [(Unit.RATIO, 1.7, 1.0), (Unit.NUMBER, 0.1, 1.125), (Unit.NUMBER, 5.0, 5.0)],
)
def test_a_ratio_ends_at_one_and_a_number_where_it_fits(
    unit: Unit, value: float, top: float
) -> None:
    assert top == chart.top_of(unit, THRESHOLDS, [value])
