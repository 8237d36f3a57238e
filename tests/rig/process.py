"""One supervised child process: its log, its signals and its end.

Nothing here knows what the program does; `server` adds when it is ready and where it listens.
`subprocess.Popen` instead of asyncio's processes, because `atexit` must end a child without an
event loop, and the only wait is polling for its end.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.rig.waiting import wait_until

# A server that still runs this long after SIGTERM gets SIGKILL.
STOP_SECONDS = 5.0
# For the kernel to end a process after SIGKILL.
_REAP_SECONDS = 5.0
# Lines of a log in an error message.
TAIL_LINES = 20
_TAIL_BYTES = 64 * 1024


class Child:
    """A process that this one started and ends by its id.

    It runs in a session of its own, so that Ctrl-C on the terminal reaches the parent alone, which
    then ends its children in order. Where `setpriv` exists (Linux), the kernel kills the child
    should the parent die without a chance to.

    Args:
        name: What messages call it.
        command: The program's path and its arguments.
        log_file: Where its output is appended.
        environment: All its environment variables.
        directory: Its working directory.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str],
        directory: Path,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.log_file = log_file
        self._log_start = log_file.stat().st_size if log_file.exists() else 0
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*_dying_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; after the end, what it was."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet (a frozen process is alive)."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of what this process wrote, without earlier runs' lines."""
        with self.log_file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop it with SIGSTOP, as a paused machine would; connections stay open.

        On Linux none of its threads runs any more when this returns; elsewhere they stop very soon.
        """
        self.send(signal.SIGSTOP)
        if sys.platform == "linux" and self.alive:
            # The kernel reports the stop once every thread obeyed; an exit stays for Popen.
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Continue it after `freeze`."""
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once with SIGKILL, frozen or not, and reap it (waits for the kernel alone)."""
        self._process.kill()
        self._process.wait(_REAP_SECONDS)

    async def stop(self, *, within: float = STOP_SECONDS) -> int:
        """Send SIGTERM, and SIGKILL if it still runs after `within` seconds.

        Returns:
            Its exit status; negative for the signal that ended it.
        """
        self.thaw()  # a frozen process would not see the SIGTERM
        self.send(signal.SIGTERM)
        try:
            return await self.wait_ended(within=within)
        except TimeoutError:
            self.kill()
            return self._process.returncode

    async def wait_ended(self, *, within: float) -> int:
        """Wait until it has ended without a signal from here.

        Returns:
            Its exit status; negative for the signal that ended it.

        Raises:
            NotInTimeError: It still runs after `within` seconds.
        """
        await wait_until(lambda: not self.alive, within=within, what=f"{self.name} to end")
        return self._process.returncode


def _dying_with_parent() -> list[str]:
    # setpriv(1) of util-linux sets PR_SET_PDEATHSIG and becomes the program, keeping its id. Not
    # `preexec_fn`: Python code between fork and exec is unsafe as soon as a thread exists.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
