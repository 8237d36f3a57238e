"""Sizes in bytes and binary multiples."""

import pytest

from shield_common.config.types import Size


@pytest.mark.shows("trial T24")
@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("65536", 65536),
        ("8Ki", 8 * 1024),
        ("8Mi", 8 * 1024**2),
        ("8MiB", 8 * 1024**2),
        ("2Gi", 2 * 1024**3),
    ],
)
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    assert size == Size.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "08",
        "8MB",
        "8M",
        "8 Mi",
        "8mi",
        "8.5Mi",
        "Mi",
        "1\n",
        "9" * 13,
        "\N{ARABIC-INDIC DIGIT EIGHT}",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 8Mi"):
        Size.parse(text)
