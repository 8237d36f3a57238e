"""Write the chart's dashboards, or tell whether they are stale.

Run it as `python -m tools.dashboards`; `--check` writes nothing and exits with 1 when one is stale.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from tools.dashboards.admitter import ADMITTER
from tools.dashboards.evaluator import EVALUATOR
from tools.dashboards.overview import OVERVIEW

DIRECTORY: Final = (
    Path(__file__).resolve().parents[2] / "deploy" / "helm" / "etcd-shield" / "files" / "dashboards"
)
FILES: Final = {
    "overview.json": OVERVIEW,
    "admitter.json": ADMITTER,
    "evaluator-and-etcd.json": EVALUATOR,
}


def rendered() -> dict[str, str]:
    """Return each file's text by its name."""
    return {
        name: json.dumps(dashboard.json(), indent=2) + "\n" for name, dashboard in FILES.items()
    }


def stale() -> list[str]:
    """Name the files that are missing, differ, or should not be there."""
    present = {path.name: path.read_text() for path in DIRECTORY.glob("*")}
    fresh = rendered()
    return sorted(name for name in fresh | present if fresh.get(name) != present.get(name))


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description="Write the chart's Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="exit with 1 when one is stale")
    if parser.parse_args().check:
        for name in stale():
            print(f"{name} is stale: run `make generate`", file=sys.stderr)
        return 1 if stale() else 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (DIRECTORY / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
