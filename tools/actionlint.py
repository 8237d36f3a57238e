"""Run actionlint over the workflows: what is on PATH, or tools/install-kubernetes builds it.

A tool of Go that no wheel carries; its own checks of shell scripts need shellcheck on PATH.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run it with the arguments of the command line; return its exit code."""
    program = subprocess.run(
        [ROOT / "tools" / "install-kubernetes", "actionlint"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    return subprocess.run([program, *sys.argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
