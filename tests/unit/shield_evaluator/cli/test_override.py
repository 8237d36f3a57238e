"""What `shield-evaluator override` refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from shield_evaluator.cli import main

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "evaluator.yaml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--all", "--for", "25h", "--reason", "x"), "--for must be from 1s to 24h"),
        (("--all", "--for", "0", "--reason", "x"), "--for must be from 1s to 24h"),
        (("--all", "--for", "soon", "--reason", "x"), "not a duration"),
        (("--all", "--for", "1h", "--reason", " "), "--reason must not be empty"),
        (("--all", "--for", "1h", "--reason", "a\nb"), "one line"),
        (("--all", "--for", "1h", "--reason", "x" * 201), "longer than 200"),
        (("--for", "1h", "--reason", "x"), "--tier, or --all"),
        (("--all", "--tier", "standard", "--for", "1h", "--reason", "x"), "--tier, or --all"),
        (("--tier", "gold", "--for", "1h", "--reason", "x"), "there is no tier 'gold'"),
        (("--all", "--for", "1h"), "Missing option '--reason'"),
        (("--all", "--reason", "x"), "Missing option '--for'"),
    ],
    ids=[
        "too long",
        "no time",
        "not a duration",
        "blank reason",
        "two lines",
        "long reason",
        "no tier",
        "tier and all",
        "unknown tier",
        "reason missing",
        "for missing",
    ],
)
def test_bad_input_is_refused_before_redis_is_asked(
    arguments: tuple[str, ...], message: str
) -> None:
    # Nobody listens at the example's address, so asking Redis would end with another status.
    command = ["override", "deny", *arguments, "--config", str(EXAMPLE)]
    result = CliRunner().invoke(main, command)
    assert 2 == result.exit_code
    assert message in result.stderr
