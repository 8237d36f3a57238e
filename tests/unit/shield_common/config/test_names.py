"""What clusters, tiers and signals may be called."""

import msgspec
import pytest

from shield_common.config.types import Name


@pytest.mark.parametrize("name", ["a", "rh01", "A.b_c-9", "x" * 63])
def test_a_plain_word_is_a_name(name: str) -> None:
    assert name == msgspec.convert(name, Name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "a b", "{a}", "a/b", "x" * 64, "rh01\n", "\nrh01", "rh01\r", "r\nh", "ä"],
)
def test_what_does_not_fit_into_a_key_or_a_label_is_no_name(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Name)
