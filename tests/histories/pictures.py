"""`python -m tests.histories.pictures`: draws the pictures of docs/tuning.md anew."""

import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from shield_common.settings import load
from shield_evaluator.backtest import recording
from shield_evaluator.cli import main as shield_evaluator
from shield_evaluator.settings import EvaluatorSettings
from tests.histories.library import named
from tests.histories.samples import samples_of

DOCS = Path(__file__).parents[2] / "docs"
DEFAULTS = DOCS / "examples" / "evaluator.yaml"
NARROW = DOCS / "examples" / "narrow-band.yaml"
# History -> further options.
PICTURES: dict[str, tuple[str, ...]] = {
    "burst": (),
    "fragmentation": (),
    "member-lost": (),
    "oscillation-at-set": ("--compare", str(NARROW)),
}


def main() -> int:
    """Draw all of them; return the exit code."""
    expressions = dict(load(DEFAULTS, EvaluatorSettings, environment={}).expressions())
    with tempfile.TemporaryDirectory() as directory:
        for name, options in PICTURES.items():
            file = Path(directory) / f"{name}.json"
            file.write_bytes(recording.encode(samples_of(named(name).course, expressions)))
            picture = DOCS / "images" / f"tuning-{name}.png"
            picture.parent.mkdir(exist_ok=True)
            command = ["backtest", "--config", str(DEFAULTS), "--from-file", str(file)]
            result = CliRunner().invoke(
                shield_evaluator, [*command, "--plot", str(picture), *options]
            )
            sys.stdout.write(f"{name}\n\n{result.output}\n")
            if result.exit_code != 0:
                return result.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
