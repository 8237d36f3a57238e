"""A headless Chromium that opens one page at a time, each in a profile of its own."""

import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from tests.rig.commands import run
from tests.rig.errors import ProgramMissingError, RigError
from tests.rig.lifetime import Rig

# Several cold starts on a busy machine.
SECONDS = 90.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Only the page: no sandbox (tests may run as root), no background requests.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)
_DARK = "--blink-settings=preferredColorScheme=0"


@dataclass(frozen=True, kw_only=True)
class Look:
    """The window in which a page is shown.

    Attributes:
        width: Of the window, in CSS pixels.
        height: Of the window.
        dark: Whether the user prefers dark colours.
    """

    width: int = 1100
    height: int = 1200
    dark: bool = False


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The result of opening a page.

    Attributes:
        output: The browser's standard output: the document, if it was asked for.
        console: Messages of the page and of the browser.
    """

    output: str
    console: str


class Browser:
    """Chromium on this machine.

    Args:
        rig: Has the directory for profiles and pictures.
    """

    def __init__(self, rig: Rig) -> None:
        self._directory = rig.directory / "browser"
        self._directory.mkdir()
        self._opened = 0

    async def document(self, url: str) -> Opened:
        """Return a page's document as the browser parsed it."""
        return await self._open(url, "--dump-dom")

    async def picture(self, url: str, look: Look) -> "Picture":
        """Return a screenshot of a page."""
        file = self._directory / f"{self._opened}.png"
        arguments = [f"--window-size={look.width},{look.height}", f"--screenshot={file}"]
        opened = await self._open(url, *arguments, *([_DARK] if look.dark else []))
        if not file.is_file():
            raise RigError(f"no picture of {url}:\n{opened.console}")
        return Picture(file)

    async def _open(self, url: str, *arguments: str) -> Opened:
        self._opened += 1
        profile = self._directory / f"profile-{self._opened}"
        ended = await run(
            _program(), *FLAGS, f"--user-data-dir={profile}", *arguments, url, within=SECONDS
        )
        shutil.rmtree(profile, ignore_errors=True)
        return Opened(output=ended.out, console=ended.err)


class Picture:
    """A PNG file: eight bits a channel, not interlaced, as Chromium writes them.

    Form: https://www.w3.org/TR/png-3/

    Args:
        file: Where it is.
    """

    def __init__(self, file: Path) -> None:
        data = file.read_bytes()
        self.file = file
        self.width, self.height, _, kind = struct.unpack(">IIBB", data[16:26])
        self._channels = {2: 3, 6: 4}[kind]
        self._first_row = self._decode_first_row(data)

    def top_colors(self) -> set[tuple[int, int, int]]:
        """Return the colours (red, green, blue) of the uppermost row of pixels."""
        row, step = self._first_row, self._channels
        return {(row[at], row[at + 1], row[at + 2]) for at in range(0, len(row), step)}

    def _decode_first_row(self, data: bytes) -> bytes:
        packed, at = b"", 8
        while at < len(data):
            (length,) = struct.unpack(">I", data[at : at + 4])
            if data[at + 4 : at + 8] == b"IDAT":
                packed += data[at + 8 : at + 8 + length]
            at += length + 12
        raw = zlib.decompress(packed)
        row = bytearray(raw[1 : 1 + self.width * self._channels])
        # Above the first row is nothing, so only the filters that look to the left change it: Sub,
        # Paeth (which is Sub there) and Average.
        share = {0: 0, 1: 1, 2: 0, 3: 2, 4: 1}[raw[0]]
        for index in range(self._channels, len(row) if share else 0):
            row[index] = (row[index] + row[index - self._channels] // share) % 256
        return bytes(row)


def _program() -> str:
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise ProgramMissingError(NAMES[0], "run tools/install-servers")
