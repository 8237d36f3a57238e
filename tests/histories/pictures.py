"""`python -m tests.histories.pictures`: draws the pictures of README and docs/tuning.md."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from shield_common.config.loader import load
from shield_evaluator.backtest import recording
from shield_evaluator.backtest.samples import Samples
from shield_evaluator.cli import main as shield_evaluator
from shield_evaluator.settings import EvaluatorSettings
from shield_evaluator.status.page import render
from tests.histories.library import named
from tests.histories.runs import CALIBRATED, samples_with_runs
from tests.histories.samples import samples_of
from tests.rig.browser import Browser, Look
from tests.rig.lifetime import Rig
from tests.unit.shield_evaluator.page_scenes import denying

DOCS = Path(__file__).parents[2] / "docs"
DEFAULTS = DOCS / "examples" / "evaluator.yaml"
NARROW = DOCS / "examples" / "narrow-band.yaml"
# History -> further options of `backtest`.
PICTURES: dict[str, tuple[str, ...]] = {
    "burst": (),
    "fragmentation": (),
    "member-lost": (),
    "oscillation-at-set": ("--compare", str(NARROW)),
}


# Picture -> options of `simulate`, with its own defaults.
SIMULATIONS: dict[str, tuple[str, ...]] = {
    "room-burst": ("--rate", "3/s", "--for", "20m", "--after", "30m"),
    "room-half": ("--rate", "8/s", "--for", "10m", "--after", "1h10m", "--run-cost", "2355Ki"),
    "room-without-metrics": (
        *("--rate", "3/s", "--for", "20m", "--after", "40m"),
        *("--without-metrics", "15m-30m"),
    ),
}


def main() -> int:
    """Draw all of them; return the exit code."""
    expressions = dict(load(DEFAULTS, EvaluatorSettings, environment={}).expressions())
    with tempfile.TemporaryDirectory() as directory:
        for name, command in _commands(Path(directory), expressions).items():
            picture = DOCS / "images" / f"{name}.png"
            picture.parent.mkdir(exist_ok=True)
            result = CliRunner().invoke(shield_evaluator, [*command, "--plot", str(picture)])
            sys.stdout.write(f"{name}\n\n{result.output}\n")
            if result.exit_code != 0:
                return result.exit_code
    asyncio.run(status_page(DOCS / "images" / "status-page.png"))
    return 0


def _commands(directory: Path, expressions: dict[str, str]) -> dict[str, list[str]]:
    """Return picture -> the command that draws it, and write the recordings that they need."""

    def recorded(name: str, samples: Samples) -> tuple[str, str]:
        file = directory / f"{name}.json"
        file.write_bytes(recording.encode(samples))
        return ("--from-file", str(file))

    defaults = ("--config", str(DEFAULTS))
    commands = {name: ["simulate", *options] for name, options in SIMULATIONS.items()}
    for name, options in PICTURES.items():
        file = recorded(name, samples_of(named(name).course, expressions))
        commands[f"tuning-{name}"] = ["backtest", *defaults, *file, *options]
    file = recorded("calibrate", samples_with_runs(CALIBRATED, expressions))
    commands["tuning-calibrate"] = ["calibrate", *defaults, *file]
    return commands


async def status_page(target: Path) -> None:
    """Draw the status page of an evaluator that denies."""
    async with Rig() as rig:
        page = rig.directory / "page.html"
        page.write_bytes(render(denying()))
        picture = await Browser(rig).picture(page.as_uri(), Look(width=1280, height=955))
        shutil.copyfile(picture.file, target)


if __name__ == "__main__":
    sys.exit(main())
