"""A kubectl on a PATH of its own: it records each call, and answers from files.

Each answer is for the first call whose arguments contain all of its words.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, sys
from pathlib import Path
here = Path({here!r})
arguments = sys.argv[1:]
given = "" if "--stdin" not in arguments else sys.stdin.read()
calls = here / "calls.jsonl"
with calls.open("a") as file:
    file.write(json.dumps({{"arguments": arguments, "given": given}}) + "\\n")
for answer in json.loads((here / "answers.json").read_text()):
    if all(word in arguments for word in answer["words"]):
        sys.stdout.write(answer["out"])
        sys.stderr.write(answer["err"])
        sys.exit(answer["code"])
sys.exit("no answer for " + " ".join(arguments))
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of kubectl: its arguments, and what it read from standard input."""

    arguments: list[str]
    given: str


class FakeKubectl:
    """The program in a directory, which is to be the only one on PATH."""

    def __init__(self, directory: Path, name: str = "kubectl") -> None:
        self.directory = directory
        self._answers: list[dict[str, Any]] = []
        program = directory / name
        program.write_text(_PROGRAM.format(python=sys.executable, here=str(directory)))
        program.chmod(0o755)

    def forget(self) -> None:
        """Answer no call any more."""
        self._answers.clear()

    def answer(self, words: Sequence[str], out: str = "", *, err: str = "", code: int = 0) -> None:
        """Answer calls that contain all of these words."""
        self._answers.append({"words": list(words), "out": out, "err": err, "code": code})
        (self.directory / "answers.json").write_text(json.dumps(self._answers))

    @property
    def calls(self) -> list[Call]:
        """Every call so far, in their order."""
        file = self.directory / "calls.jsonl"
        if not file.exists():
            return []
        return [Call(**json.loads(line)) for line in file.read_text().splitlines()]
