"""`python -m tests.fuzz`: try bytes on each target for a while; keep those that break one."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
MAX_BYTES = 4096  # longer texts find nothing new, and take longer


def main() -> int:
    """Return 1 if a target broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"any of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=20, help="for each target (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="0, the default, is another each time")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    broken = [
        name
        for name in arguments.targets or TARGETS
        if not _holds(name, arguments.seconds, arguments.seed)
    ]
    for name in broken:
        print(f"{name}: broken; the bytes are in {CORPUS / name}, and `tox -e unit` replays them")
    return 1 if broken else 0


def _holds(name: str, seconds: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as found:  # what only leads to new code is not kept
        command = [sys.executable, "-m", "tests.fuzz.engine", name]
        command += [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_BYTES}"]
        command += [f"-dict={HERE / 'words.dict'}", f"-artifact_prefix={CORPUS / name}/"]
        command += ["-timeout=10", "-print_final_stats=1", found, str(CORPUS / name)]
        return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
