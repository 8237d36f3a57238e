"""A mistake in a settings file is reported in plain words, with the valid values of the field."""

from datetime import datetime
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from shield_common.config.loader import SettingsError, SettingsStruct, parse
from shield_common.config.types import Name


class Inner(SettingsStruct, frozen=True, kw_only=True):
    mode: Literal["allow", "deny"] = "allow"
    reset: float = 0


Short = Annotated[str, Meta(min_length=1, max_length=3, pattern="^[a-z]*$")]


class Bounded(SettingsStruct, frozen=True, kw_only=True):
    seconds: Annotated[int, Meta(ge=1, le=300)] = 30
    factor: Annotated[float, Meta(gt=0)] | None = None
    names: Annotated[tuple[Short, ...], Meta(min_length=1)]
    expires: Annotated[datetime, Meta(tz=True)] | None = None
    quota: int | str | None = None
    flag: bool = False
    inner: Inner | None = None


class Outer(SettingsStruct, frozen=True, kw_only=True):
    interval: str = "5s"
    name: Name = "a"
    inner: Inner | None = None
    tiers: dict[str, dict[str, Inner]] = {}  # noqa: RUF012 - msgspec copies it
    rules: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("intervall: 5s", "unknown key `intervall`, did you mean `interval`?"),
        ("colour: red", "unknown key `colour`"),
        (
            "inner: {reste: 1}",
            "inner: unknown key `reste`, did you mean `reset`?",
        ),
        (
            "tiers: {a: {b.c: {resett: 1}}}",
            "tiers.a.b.c: unknown key `resett`, did you mean `reset`?",
        ),
        (
            "rules: [{}, {moder: x}]",
            "rules[1]: unknown key `moder`, did you mean `mode`?",
        ),
        ("inner: {mode: denied}", "inner.mode: 'denied' is not one of allow, deny"),
        (
            "name: a b",
            (
                "name: must be 1 to 63 letters, digits, dots, hyphens or underscores, "
                "with a letter or digit at both ends"
            ),
        ),
    ],
)
def test_a_mistake_is_reported_with_the_nearest_valid_name(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, Outer, source="shield.yaml", environment={})
    assert f"shield.yaml: {said}" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds: 3", "the key `names` is missing"),
        ("seconds: 0", "seconds: must be at least 1"),
        ("seconds: 301", "seconds: must be at most 300"),
        ("seconds: 1.5", "seconds: must be a whole number"),
        ("seconds: soon", "seconds: must be a whole number, not text"),
        ("seconds: [3]", "seconds: must be a whole number, not a list"),
        ("seconds:", "seconds: must be a whole number, not nothing"),
        ("factor: 0", "factor: must be above 0"),
        ("factor: true", "factor: must be a number, not true or false"),
        ("names: []", "names: must not be empty"),
        ("names: a", "names: must be a list, not text"),
        ("names: ['']", "names[0]: must not be empty"),
        ("names: [abcd]", "names[0]: must have at most 3 characters"),
        ("names: [A]", "names[0]: has characters that are not allowed here, or too many"),
        ("names: [5]", "names[0]: must be text, not a whole number"),
        ("expires: tomorrow", "expires: must be a time such as 2026-12-01T00:00:00Z"),
        ("expires: 2026-12-01T00:00:00", "expires: must be a time such as 2026-12-01T00:00:00Z"),
        ("quota: {}", "quota: must be a whole number or text, not a mapping"),
        ("flag: yes", "flag: must be true or false, not text"),
        ("inner: 5", "inner: must be a mapping, not a whole number"),
    ],
)
def test_a_mistake_is_reported_in_plain_words(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, Bounded, source="shield.yaml", environment={})
    assert f"shield.yaml: {said}" == str(caught.value)
