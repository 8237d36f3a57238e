"""Configuration files: what is understood, and the sentence for each mistake (E8)."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
import yaml

from shield_common.config.loader import SettingsError, parse
from shield_evaluator.core.plan import ColdStart, OnBlind, Threshold, Unit
from shield_evaluator.settings import EvaluatorSettings
from tests.unit.shield_evaluator.documents import minimal

MISSING = object()


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the minimal file with one place changed; MISSING removes it."""
    document = deepcopy(minimal())
    *parents, last = path.split("/")
    place: Any = document
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    if value is MISSING:
        del place[last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return document


def read(document: Mapping[str, Any], **environment: str) -> EvaluatorSettings:
    text = yaml.safe_dump(document)
    return parse(text, EvaluatorSettings, source="evaluator.yaml", environment=environment)


class TestAMinimalFile:
    settings = read(minimal())

    def test_the_default_interval_is_five_seconds(self) -> None:
        assert 5 == float(self.settings.interval)

    def test_the_default_timeout_is_four_fifths_of_the_interval(self) -> None:
        assert 4 == float(self.settings.query_timeout)

    def test_the_default_lease_lasts_three_intervals(self) -> None:
        assert 15 == float(self.settings.lease)

    def test_the_default_ttl_is_five_minutes(self) -> None:
        assert 300 == float(self.settings.ttl)

    def test_the_default_cold_start_is_reset(self) -> None:
        assert ColdStart.RESET is self.settings.plan().cold_start

    def test_the_default_on_blind_is_hold(self) -> None:
        signal = self.settings.plan().signals["db-file"]
        assert (OnBlind.HOLD, 120_000) == (signal.on_blind, signal.blind_after_ms)


def test_a_signal_overrides_the_defaults_for_all() -> None:
    document = changed("on_blind", "deny")
    document["signals"].append(
        {"name": "db-in-use", "query": "x", "on_blind": "allow", "blind_after": "30s"}
    )
    signals = read(document).plan().signals
    assert (OnBlind.DENY, OnBlind.ALLOW) == (
        signals["db-file"].on_blind,
        signals["db-in-use"].on_blind,
    )
    assert 30_000 == signals["db-in-use"].blind_after_ms


def test_a_longer_interval_comes_with_a_longer_lease() -> None:
    assert 60 == float(read(changed("interval", "20s")).lease)


def test_an_alert_needs_no_thresholds() -> None:
    document = changed("signals/0", {"name": "db-file", "alert": "EtcdFull"})
    document["tiers"]["standard"]["db-file"] = {}
    plan = read(document).plan()
    assert Threshold(set=1.0, reset=0.5) == plan.tiers["standard"]["db-file"]
    assert Unit.ALERT is plan.signals["db-file"].unit


def test_an_alert_reads_0_when_it_is_absent() -> None:
    document = changed("signals/0", {"name": "db-file", "alert": "EtcdFull"})
    assert read(document).expressions()["db-file"].endswith("or vector(0)")


def test_numbers_may_be_above_1_if_the_signal_says_so() -> None:
    document = changed("tiers/standard/db-file", {"set": 2e9, "reset": 1e9})
    document["signals"][0]["unit"] = "number"
    assert 2e9 == read(document).tiers["standard"]["db-file"].set


def test_the_environment_gives_the_url_of_redis() -> None:
    settings = read(minimal(), SHIELD_REDIS_URL="redis://elsewhere:6379/1")
    assert "redis://elsewhere:6379/1" == settings.redis.url


SIGNAL = "signals/0"
LIMIT = "tiers/standard/db-file"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        pytest.param("clutser", "x", "unknown key `clutser`", id="a key with a slip"),
        pytest.param("cluster", MISSING, "the key `cluster` is missing", id="no cluster"),
        pytest.param("cluster", "a b", "cluster: ", id="a cluster with a space"),
        pytest.param("cluster", "{x}", "cluster: ", id="a cluster with braces"),
        pytest.param("cluster", "rh01\n", "cluster: ", id="a cluster with a line break"),
        pytest.param("cluster", "", "cluster: ", id="an empty cluster"),
        pytest.param("signals", [], "signals: ", id="no signals"),
        pytest.param("signals", MISSING, "the key `signals` is missing", id="signals left out"),
        pytest.param("tiers", {}, "tiers: ", id="no tiers"),
        pytest.param("tiers/standard", {}, "tiers.standard: has no thresholds", id="empty tier"),
        pytest.param(
            "tiers/standard/db-flie",
            {"set": 0.9, "reset": 0.8},
            "tiers.standard.db-flie: there is no signal of that name",
            id="a tier with an unknown signal",
        ),
        pytest.param(
            "default_tier", "gold", "default_tier: there is no tier 'gold'", id="unknown tier"
        ),
        pytest.param(
            f"{LIMIT}/reset",
            0.95,
            "tiers.standard.db-file: reset (0.95) must be below set (0.9)",
            id="reset above set",
        ),
        pytest.param(
            f"{LIMIT}/reset", 0.9, "tiers.standard.db-file: reset (0.9) must be", id="no band"
        ),
        pytest.param(
            f"{LIMIT}/reset", 0, "tiers.standard.db-file: reset must be above 0", id="reset 0"
        ),
        pytest.param(
            f"{LIMIT}/reset",
            MISSING,
            "tiers.standard.db-file: set and reset go together",
            id="no reset",
        ),
        pytest.param(LIMIT, {}, "tiers.standard.db-file: set and reset are needed", id="neither"),
        pytest.param(
            f"{LIMIT}/set",
            90,
            "tiers.standard.db-file: set (90) is above 1, but the signal reads from 0 to 1",
            id="a percentage",
        ),
        pytest.param(
            f"{LIMIT}/warn", 0.95, "tiers.standard.db-file: warn (0.95) must not", id="warn late"
        ),
        pytest.param(f"{LIMIT}/set", "90%", "tiers.standard.db-file.set: ", id="set as text"),
        pytest.param(f"{LIMIT}/set", True, "tiers.standard.db-file.set: ", id="set as a bool"),
        pytest.param(f"{LIMIT}/sett", 1, "unknown key `sett`", id="a threshold with a slip"),
        pytest.param(
            f"{LIMIT}/set_for", "5 min", "tiers.standard.db-file.set_for: '5 min' is not", id="time"
        ),
        pytest.param(
            f"{LIMIT}/set_for", 300, "must be a duration such as 15s, not a number", id="seconds"
        ),
        pytest.param(
            SIGNAL, {"name": "db-file"}, "exactly one of query and alert", id="measures nothing"
        ),
        pytest.param(f"{SIGNAL}/alert", "A", "exactly one of query and alert", id="measures two"),
        pytest.param(f"{SIGNAL}/query", "  ", "signal db-file: query is empty", id="empty query"),
        pytest.param(f"{SIGNAL}/name", "a/b", "signals[0].name: ", id="a signal with a slash"),
        pytest.param(f"{SIGNAL}/members", 0, "signals[0].members: ", id="no members"),
        pytest.param(f"{SIGNAL}/on_blind", "panic", "signals[0].on_blind: ", id="on_blind"),
        pytest.param(f"{SIGNAL}/unit", "percent", "signals[0].unit: ", id="unit"),
        pytest.param(
            f"{SIGNAL}/blind_after", "0s", "blind_after must be above 0s", id="blind at once"
        ),
        pytest.param(
            SIGNAL,
            {"name": "db-file", "alert": 'x"} or vector(1)'},
            "signals[0].alert: ",
            id="an alert that is PromQL",
        ),
        pytest.param(
            SIGNAL,
            {"name": "db-file", "alert": "A", "members": 3},
            "members goes with query",
            id="members of an alert",
        ),
        pytest.param("on_blind", "maybe", "on_blind: ", id="on_blind for all"),
        pytest.param("cold_start", "hold", "cold_start: ", id="cold_start"),
        pytest.param(
            "blind_after", "0s", "blind_after: must be above 0s", id="blind_after for all"
        ),
        pytest.param("interval", "100ms", "interval: must be at least 200ms", id="too often"),
        pytest.param("interval", "-5s", "interval: '-5s' is not a duration", id="negative"),
        pytest.param("interval", "5", "interval: '5' is not a duration", id="without a unit"),
        pytest.param(
            "lease_ttl", "8s", "lease_ttl: must be at least twice interval", id="a short lease"
        ),
        pytest.param("ttl", "8s", "ttl: must be at least twice interval", id="a short life"),
        pytest.param("status_url", "status.example", "status_url: must be an http", id="no URL"),
        pytest.param("status_url", "http://x/\n", "status_url: must be an http", id="URL, 2 lines"),
        pytest.param(
            "prometheus/timeout",
            "6s",
            "prometheus.timeout: must not be above interval",
            id="a patient query",
        ),
        pytest.param("prometheus/timeout", "0s", "timeout: must be above 0s", id="no patience"),
        pytest.param("prometheus/urls", [], "prometheus.urls: ", id="no URLs"),
        pytest.param("prometheus/urls", "http://x", "prometheus.urls: ", id="URLs as text"),
        pytest.param("prometheus/urls", ["prometheus:9090"], "is not an http://", id="no scheme"),
        pytest.param("prometheus/urls", ["ftp://x"], "is not an http://", id="another scheme"),
        pytest.param(
            "prometheus/urls", ["http://u:p@x"], "credentials belong into", id="a password in a URL"
        ),
        pytest.param("prometheus/urls", ["http://x?a=b"], "must be a base URL", id="a query in it"),
        pytest.param(
            "prometheus/urls", ["http://a b"], "is not a URL that names a host", id="a space in it"
        ),
        pytest.param(
            "prometheus/urls", ["http://x:99999"], "urls[0]: is not a URL", id="an odd port"
        ),
        pytest.param(
            "prometheus/urls", ["http://[::1"], "urls[0]: is not a URL", id="half an IPv6"
        ),
        *(
            pytest.param(
                "prometheus/urls",
                [f"http://{host}:1"],
                "urls[0]: is not a URL",
                id=f"host {host:.5}",
            )
            for host in ("a..b", ".", "a" * 64)
        ),
        *(
            pytest.param(
                "prometheus/headers", {name: "x"}, f"{name!r} cannot be set", id=f"header {name!r}"
            )
            for name in ("", "a b", "a:b", "ä", "Content-Type", "accept-encoding")
        ),
        pytest.param(
            "prometheus/headers", {"Authorization": "x"}, "'Authorization' cannot be set", id="auth"
        ),
        pytest.param(
            "prometheus/headers",
            {"X-Scope": "a\nb"},
            "the value of 'X-Scope' has control characters",
            id="a header of two lines",
        ),
        pytest.param(
            "prometheus/basic_auth",
            {"username": "a:b", "password_file": "/run/password"},
            "prometheus.basic_auth.username: must have no colon",
            id="a user with a colon",
        ),
        pytest.param("redis", MISSING, "the key `redis` is missing", id="no redis"),
        pytest.param("redis/url", "http://redis", "redis.url: must begin with", id="redis by http"),
        pytest.param("redis/timeout", "5s", "timeout: must be above 0s and at most 2s", id="slow"),
        pytest.param("metrics/listen", "9100", "listen: '9100' is not host:port", id="listen"),
        pytest.param("log/level", "verbose", "log.level: ", id="log level"),
    ],
)
def test_e8_a_mistake_is_named_with_its_place(path: str, value: object, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(changed(path, value))
    assert message in str(caught.value)
    assert str(caught.value).startswith("evaluator.yaml: ")


def test_e8_token_and_password_exclude_each_other() -> None:
    document = changed("prometheus/basic_auth", {"username": "u", "password_file": "/run/password"})
    document["prometheus"]["bearer_token_file"] = "/run/token"
    with pytest.raises(SettingsError, match="exclude each other"):
        read(document)


def test_e8_two_signals_of_one_name_are_refused() -> None:
    document = minimal()
    document["signals"] *= 2
    with pytest.raises(SettingsError, match="signals: duplicate name db-file"):
        read(document)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("- a\n- b\n", id="a list"),
        pytest.param("cluster: [", id="no YAML"),
        pytest.param("cluster: a\ncluster: b\n", id="a key twice"),
        pytest.param("\x00", id="a control character"),
        pytest.param("a: &a [*a]", id="a loop"),
    ],
)
def test_e8_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse(text, EvaluatorSettings, source="evaluator.yaml", environment={})


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        pytest.param(8_589_934_592, 8_589_934_592, id="bytes"),
        pytest.param("8589934592", 8_589_934_592, id="bytes as text"),
        pytest.param("8Gi", 8_589_934_592, id="a size"),
        pytest.param("scalar(max(quota))", "scalar(max(quota))", id="PromQL"),
    ],
)
def test_t7_a_quota_divides_the_query(quota: int | str, expected: int | str) -> None:
    settings = read(changed("signals/0/quota", quota))
    assert expected == settings.plan().signals["db-file"].quota
    assert f") / (\n{expected}\n)" in settings.expressions()["db-file"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"quota": "8GB"}, "quota: '8GB' is not a size"),
        ({"quota": 0}, "quota"),
        ({"quota": -1}, "quota"),
        ({"quota": ""}, "quota"),
        ({"quota": "8Gi", "unit": "number"}, "with a quota the unit is ratio"),
        ({"query": None, "alert": "EtcdFull", "quota": "8Gi"}, "quota goes with query"),
        ({"query": None, "alert": "EtcdFull", "member_label": "pod"}, "member_label goes with"),
        ({"member_label": "a-b"}, "member_label"),
    ],
)
def test_t6_t7_mistakes_in_quota_and_member_label(more: dict[str, Any], message: str) -> None:
    document = minimal()
    document["signals"][0].update(more)
    with pytest.raises(SettingsError, match=re.escape(message)):
        read(document)


def test_t6_the_member_label_is_part_of_the_query() -> None:
    settings = read(changed("signals/0/member_label", "pod"))
    assert "pod" == settings.queries()["db-file"].member_label
