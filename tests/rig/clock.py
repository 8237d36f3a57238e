"""Wall clocks that are wrong, each for one process."""

from collections.abc import Sequence
from pathlib import Path

from tests.rig.errors import ProgramMissingError
from tests.rig.files import replace


class JumpingClock:
    """The wall clock of one process, which a test can set while the process runs.

    libfaketime reads the offset from a file at every look at the clock. The monotonic clock stays
    true, as it does when an administrator sets a real clock.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set the clock to the real time plus `seconds`, which may be negative."""
        replace(self._file, f"{seconds:+d}\n")

    def command(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs under this clock."""
        variables = {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        return ["env", *(f"{name}={value}" for name, value in variables.items()), *command]


def faketime_library() -> Path:
    """Return where libfaketime is.

    Raises:
        ProgramMissingError: It is not installed.
    """
    for path in sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        return path
    raise ProgramMissingError("libfaketime", "run tools/install-servers faketime (Linux only)")
