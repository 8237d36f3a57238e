"""`python -m tests.histories NAME --out FILE`: a history as a recording for `backtest`."""

import argparse
import sys
from pathlib import Path

from shield_common.config.loader import load
from shield_evaluator.backtest import recording
from shield_evaluator.settings import EvaluatorSettings
from tests.histories.library import HISTORIES, named
from tests.histories.samples import samples_of

DEFAULTS = Path(__file__).parents[2] / "docs" / "examples" / "evaluator.yaml"


def main() -> int:
    """Write one history; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.histories",
        description="Write a generated history as a recording for `backtest --from-file`.",
        epilog="\n".join(f"  {history.name:24} {history.story}" for history in HISTORIES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=[history.name for history in HISTORIES], metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    settings = load(DEFAULTS, EvaluatorSettings, environment={})
    samples = samples_of(named(arguments.name).course, dict(settings.expressions()))
    with recording.replacing(arguments.out) as temporary:
        temporary.write_bytes(recording.encode(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
