"""Settings from YAML: what is taken, and how a mistake is told."""

from pathlib import Path

import pytest
from msgspec import field

from shield_common.config.loader import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    SettingsError,
    SettingsStruct,
    load,
    parse,
)
from shield_common.config.types import Duration, Size


class Threshold(SettingsStruct, frozen=True, kw_only=True):
    set: float
    reset: float

    def __post_init__(self) -> None:
        if self.reset >= self.set:
            raise ValueError("reset must be below set")


class Redis(SettingsStruct, frozen=True, kw_only=True):
    url: str = "redis://from-the-default"

    def __post_init__(self) -> None:
        if "://" not in self.url:
            raise ValueError("url: has no scheme")


class Sample(SettingsStruct, frozen=True, kw_only=True):
    text: str = ""
    number: int = 0
    ratio: float = 0.0
    flag: bool = False
    duration: Duration = Duration(1)
    size: Size = Size(1)
    redis: Redis = Redis()
    tiers: dict[str, dict[str, Threshold]] = field(default_factory=dict)
    rules: dict[str, tuple[Threshold, ...]] = field(default_factory=dict)


def read(text: str | bytes, **environment: str) -> Sample:
    return parse(text, Sample, source="shield.yaml", environment=environment)


def refusal(text: str | bytes) -> str:
    with pytest.raises(SettingsError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text: off", Sample(text="off")),
        ("text: no", Sample(text="no")),
        ("text: 2026-12-01", Sample(text="2026-12-01")),
        ("text: 1:30", Sample(text="1:30")),
        ("text: 010", Sample(text="010")),
        ("text: 1_000", Sample(text="1_000")),
        ("flag: true", Sample(flag=True)),
        ("number: -7", Sample(number=-7)),
        ("ratio: 0.9", Sample(ratio=0.9)),
        ("ratio: 1", Sample(ratio=1.0)),
        ("ratio: 1e3", Sample(ratio=1000.0)),
        ("duration: 1m30s", Sample(duration=Duration(90))),
        ("size: 8Mi", Sample(size=Size(8 * 1024 * 1024))),
        ("size: 4096", Sample(size=Size(4096))),
        ("{}", Sample()),
    ],
)
def test_scalars_mean_what_they_say(text: str, expected: Sample) -> None:
    assert expected == read(text)


def test_an_anchor_may_be_reused() -> None:
    tiers = read("tiers:\n  a: &limits {db-file: {set: 0.9, reset: 0.8}}\n  b: *limits\n").tiers
    assert tiers["a"] == tiers["b"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("tiers: {standard: {db-file: {set: 1, reset: 2}}}", "tiers.standard.db-file: reset must"),
        (
            "tiers: {a: {x: {set: 1, reset: 0}}, b: {y: {set: 1, reset: 2}}}",
            "tiers.b.y: reset must",
        ),
        ("rules: {a: [], b: [{set: 1, reset: 0}, {set: 1, reset: 2}]}", "rules.b[1]: reset must"),
        ("tiers: {a: {x: {set: 1}}}", "tiers.a.x: the key `reset` is missing"),
        ("tiers: {a: {x: 5}}", "tiers.a.x: must be a mapping, not a whole number"),
        ("tiers: {1: {}}", "tiers: has a key that is not text"),
        ("tiers: {a: {b: {set: 0,90}}}", "tiers.a.b: has a key that is not text; a decimal comma"),
        ("colour: red", "unknown key `colour`"),
        ("redis: {host: here}", "redis: unknown key `host`"),
        ("duration: 5d", "duration: '5d' is not a duration such as 15s"),
        ("duration: 5", "duration: must be a duration such as 15s, not a number"),
        ("size: 8MB", "size: '8MB' is not a size such as 8Mi"),
        ("size: true", "size: must be a size such as 8Mi"),
        ("number: 010", "number: must be a whole number, not text"),
        ("ratio: .nan", "ratio: must be a number, not text"),
        ("ratio: .inf", "ratio: must be a number, not text"),
        ("flag: yes", "flag: must be true or false, not text"),
        ("text:", "text: must be text, not nothing"),
    ],
)
def test_a_mistake_is_reported_with_file_and_path(text: str, path: str) -> None:
    assert refusal(text).startswith(f"shield.yaml: {path}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file must hold a mapping, not nothing"),
        ("- a", "the file must hold a mapping, not a list"),
        ("text: a\ntext: b", "line 2, column 1: key 'text' is a duplicate"),
        ("tiers: {a: {}, a: {}}", "line 1, column 16: key 'a' is a duplicate"),
        ("? [a]\n: b", "line 1, column 3: a key has to be plain text"),
        ("? {a: b}\n: c", "line 1, column 3: a key has to be plain text"),
        ("text: *nobody", "line 1, column 7: found undefined alias"),
        (
            "text: a\n---\ntext: b",
            "line 2, column 1: a second document begins here; a file has one",
        ),
        ("text: !!python/name:os.system", "line 1, column 7: tags are not supported"),
        ("\ttext: a", "line 1, column 1: a tab cannot indent a line; use spaces"),
        ("text: a\x00", "not YAML: it has bytes that are no text"),
        ("text: \xfc".encode("latin-1"), "not YAML: it has bytes that are no text"),
        ("text: " + "[" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_yaml_that_is_not_accepted_is_refused_in_one_line(text: str | bytes, problem: str) -> None:
    said = refusal(text)
    assert problem in said
    assert "\n" not in said


def test_a_syntax_error_does_not_show_the_line() -> None:
    assert "hunter2" not in refusal("redis: {url: 'redis://:hunter2@redis'")


def test_the_environment_wins_over_the_file() -> None:
    settings = read("redis: {url: redis://file}", SHIELD_REDIS_URL="redis://environment")
    assert "redis://environment" == settings.redis.url


@pytest.mark.parametrize("text", ["{}", "redis:", "redis: {}"])
def test_the_environment_fills_a_section_that_is_missing(text: str) -> None:
    assert "redis://pod" == read(text, SHIELD_REDIS_URL="redis://pod").redis.url


def test_a_field_that_a_check_names_is_part_of_the_path() -> None:
    assert "shield.yaml: redis.url: has no scheme" == refusal("redis: {url: nowhere}")


def test_a_variable_with_an_invalid_value_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        read("redis: {url: redis://file}", SHIELD_REDIS_URL="nowhere")
    assert "shield.yaml: redis.url (from SHIELD_REDIS_URL): has no scheme" == str(caught.value)


def test_a_variable_is_not_blamed_for_what_the_file_says() -> None:
    with pytest.raises(SettingsError) as caught:
        read("{redis: {}, number: x}", SHIELD_REDIS_URL="redis://pod")
    assert "SHIELD" not in str(caught.value)


def test_an_empty_variable_is_none() -> None:
    assert "redis://file" == read("redis: {url: redis://file}", SHIELD_REDIS_URL="").redis.url


def test_a_variable_for_a_section_that_a_service_lacks_is_ignored() -> None:
    assert Sample() == read("{}", SHIELD_LOG_LEVEL="debug")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shield.yaml"
    with pytest.raises(SettingsError, match=r"shield\.yaml: cannot be read: No such file"):
        load(path, Sample, environment={})


def test_a_directory_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load(tmp_path, Sample, environment={})


def test_a_file_beyond_the_limit_is_not_read_further(tmp_path: Path) -> None:
    path = tmp_path / "shield.yaml"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(SettingsError, match=f"larger than {MAX_FILE_BYTES} bytes"):
        load(path, Sample, environment={})
