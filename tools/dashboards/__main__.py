"""Write the chart's dashboards, for Grafana and for OpenShift's console, or report stale ones.

Run it as `python -m tools.dashboards`; `--check` writes nothing and exits with 1 when one is stale.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from tools.dashboards.admitter import ADMITTER
from tools.dashboards.controller import CONTROLLER
from tools.dashboards.evaluator import EVALUATOR
from tools.dashboards.openshift import console
from tools.dashboards.overview import OVERVIEW

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "etcd-shield" / "files"
# Apart, because Grafana reads a directory with everything below it.
GRAFANA, CONSOLE = "dashboards", "console-dashboards"
FILES: Final = {
    "overview.json": OVERVIEW,
    "admitter.json": ADMITTER,
    "controller.json": CONTROLLER,
    "evaluator-and-etcd.json": EVALUATOR,
}


def rendered() -> dict[str, str]:
    """Return each file's text by its path below the directory."""
    whole = {f"{GRAFANA}/{name}": dashboard.json() for name, dashboard in FILES.items()}
    whole |= {f"{CONSOLE}/{name}": console(dashboard) for name, dashboard in FILES.items()}
    return {name: json.dumps(data, indent=2) + "\n" for name, data in whole.items()}


def stale() -> list[str]:
    """Name the files that are missing, differ, or should not be there."""
    files = (path for place in (GRAFANA, CONSOLE) for path in (DIRECTORY / place).glob("*"))
    present = {str(path.relative_to(DIRECTORY)): path.read_text() for path in files}
    fresh = rendered()
    return sorted(name for name in fresh | present if fresh.get(name) != present.get(name))


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description="Write the chart's dashboards.")
    parser.add_argument("--check", action="store_true", help="exit with 1 when one is stale")
    if parser.parse_args().check:
        for name in stale():
            print(f"{name} is stale: run `make generate`", file=sys.stderr)
        return 1 if stale() else 0
    for place in (GRAFANA, CONSOLE):
        (DIRECTORY / place).mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (DIRECTORY / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
