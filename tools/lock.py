"""Compile requirements/*.txt from the dependency declarations, or tell whether they are stale.

Each file carries a digest of the declarations it was compiled from, so that `--check` needs
neither the network nor a resolver. Run it as `make lock`; `make lock ARGS=--upgrade` also moves the
pins that still satisfy their declarations.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
COMMON: Final = "libs/shield_common/pyproject.toml"
EVALUATOR: Final = "services/evaluator/pyproject.toml"
ADMITTER: Final = "services/admitter/pyproject.toml"
CONTROLLER: Final = "services/controller/pyproject.toml"
KUBECTL: Final = "clients/kubectl_shield/pyproject.toml"
DIGEST: Final = "# declarations: sha256:"


class Lock(NamedTuple):
    """One file under requirements/ and what it is compiled from."""

    name: str
    projects: tuple[str, ...] = ()
    group: str | None = None
    extras: tuple[str, ...] = ()
    constraint: str | None = None

    @property
    def path(self) -> Path:
        """Where the pins are."""
        return ROOT / "requirements" / self.name


# dev.txt first: it holds everything, and the images then get the very versions that were tested.
LOCKS: Final = (
    Lock(
        "dev.txt", (COMMON, EVALUATOR, ADMITTER, CONTROLLER, KUBECTL), group="dev", extras=("plot",)
    ),
    Lock("evaluator.txt", (COMMON, EVALUATOR), constraint="requirements/dev.txt"),
    Lock("admitter.txt", (COMMON, ADMITTER), constraint="requirements/dev.txt"),
    Lock("controller.txt", (COMMON, CONTROLLER), constraint="requirements/dev.txt"),
    Lock("kubectl.txt", (KUBECTL,), constraint="requirements/dev.txt"),
    Lock("build.txt", group="build", constraint="requirements/dev.txt"),
    Lock("fuzz.txt", group="fuzz", constraint="requirements/dev.txt"),
    Lock("docs.txt", group="docs", constraint="requirements/dev.txt"),
    Lock("release.txt", group="release", constraint="requirements/dev.txt"),
    Lock("tox.txt", group="tox"),
)


def declarations(lock: Lock) -> str:
    """Return a digest of everything in the pyprojects that can change this lock."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = [root["dependency-groups"] if lock.group else None]
    for path in lock.projects:
        project = tomllib.loads((ROOT / path).read_text())["project"]
        parts.append([project["requires-python"], project["dependencies"]])
        optional = project.get("optional-dependencies", {})
        parts += [[extra, optional[extra]] for extra in lock.extras if extra in optional]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def compile_lock(lock: Lock, uv: str, extra: list[str]) -> None:
    """Run `uv pip compile` and put the digest on top of its output."""
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version=3.11"]
    command += ["--generate-hashes", "--no-emit-package=shield-common"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command=make lock"]
    command += [f"--output-file=requirements/{lock.name}"]
    if lock.constraint:
        command += [f"--constraint={lock.constraint}"]
    command += [f"--extra={extra}" for extra in lock.extras]
    if lock.group:
        command += [f"--group=pyproject.toml:{lock.group}"]
    subprocess.run([*command, *extra, *lock.projects], cwd=ROOT, check=True)
    lock.path.write_text(f"{DIGEST}{declarations(lock)}\n{lock.path.read_text()}")


def is_stale(lock: Lock) -> bool:
    """Tell whether the declarations changed since the lock was compiled."""
    if not lock.path.exists():
        return True
    first = lock.path.read_text().partition("\n")[0]
    return first != f"{DIGEST}{declarations(lock)}"


def main() -> int:
    """Compile all locks, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only tell whether a file is stale")
    arguments, extra = parser.parse_known_args()
    if arguments.check:
        stale = [f"requirements/{lock.name}" for lock in LOCKS if is_stale(lock)]
        if stale:
            print(f"{', '.join(stale)}: declarations changed; run `make lock`.", file=sys.stderr)
        return 1 if stale else 0
    uv = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if uv is None:
        print("uv is not installed; run this as `make lock`.", file=sys.stderr)
        return 1
    for lock in LOCKS:
        compile_lock(lock, uv, extra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
