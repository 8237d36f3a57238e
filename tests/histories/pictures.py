"""`python -m tests.histories.pictures`: draws the pictures of README and docs/tuning.md."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from shield_common.config.loader import load
from shield_evaluator.backtest import recording
from shield_evaluator.cli import main as shield_evaluator
from shield_evaluator.settings import EvaluatorSettings
from shield_evaluator.status.page import render
from tests.histories.library import named
from tests.histories.samples import samples_of
from tests.rig.browser import Browser, Look
from tests.rig.lifetime import Rig
from tests.unit.shield_evaluator.page_scenes import denying

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
    asyncio.run(status_page(DOCS / "images" / "status-page.png"))
    return 0


async def status_page(target: Path) -> None:
    """Draw the status page of an evaluator that denies."""
    async with Rig() as rig:
        page = rig.directory / "page.html"
        page.write_bytes(render(denying()))
        picture = await Browser(rig).picture(page.as_uri(), Look(width=1280, height=955))
        shutil.copyfile(picture.file, target)


if __name__ == "__main__":
    sys.exit(main())
