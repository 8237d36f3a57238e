"""`python -m tests.histories NAME --out FILE`: a history as a recording for `backtest`.

That named `runs` also has the runs which fill etcd, and so is one for `calibrate`.
"""

import argparse
import sys
from pathlib import Path

from shield_common.config.loader import load
from shield_evaluator.backtest import recording
from shield_evaluator.settings import EvaluatorSettings
from tests.histories.library import HISTORIES, named
from tests.histories.runs import CALIBRATED, samples_with_runs
from tests.histories.samples import samples_of

RUNS = "runs"
DEFAULTS = Path(__file__).parents[2] / "docs" / "examples" / "evaluator.yaml"


def main() -> int:
    """Write one history; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.histories",
        description="Write a generated history as a recording for `--from-file` of backtest.",
        epilog="\n".join(
            [f"  {history.name:24} {history.story}" for history in HISTORIES]
            + [f"  {RUNS:24} 36 hours of runs that write 4.6 MiB each; for calibrate as well."]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", choices=[RUNS, *(history.name for history in HISTORIES)], metavar="NAME"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    settings = load(DEFAULTS, EvaluatorSettings, environment={})
    expressions = dict(settings.expressions())
    if arguments.name == RUNS:
        samples = samples_with_runs(CALIBRATED, expressions)
    else:
        samples = samples_of(named(arguments.name).course, expressions)
    with recording.replacing(arguments.out) as temporary:
        temporary.write_bytes(recording.encode(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
