"""A mistake in a settings file comes with what the place would have taken."""

from typing import Literal

import pytest

from shield_common.config.loader import SettingsError, SettingsStruct, parse
from shield_common.config.types import Name


class Inner(SettingsStruct, frozen=True, kw_only=True):
    mode: Literal["allow", "deny"] = "allow"
    reset: float = 0


class Outer(SettingsStruct, frozen=True, kw_only=True):
    interval: str = "5s"
    name: Name = "a"
    inner: Inner | None = None
    tiers: dict[str, dict[str, Inner]] = {}  # noqa: RUF012 - msgspec copies it
    rules: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("intervall: 5s", "Object contains unknown field `intervall`, did you mean `interval`?"),
        ("colour: red", "Object contains unknown field `colour`"),
        (
            "inner: {reste: 1}",
            "inner: Object contains unknown field `reste`, did you mean `reset`?",
        ),
        (
            "tiers: {a: {b.c: {resett: 1}}}",
            "tiers.a.b.c: Object contains unknown field `resett`, did you mean `reset`?",
        ),
        (
            "rules: [{}, {moder: x}]",
            "rules[1]: Object contains unknown field `moder`, did you mean `mode`?",
        ),
        ("inner: {mode: denied}", "inner.mode: Invalid enum value 'denied', it takes allow, deny"),
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
