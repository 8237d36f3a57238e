"""Values and commands that pages of the documentation show."""

import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import yaml


def first_values(page: Path) -> dict[str, Any]:
    """Return the first values file of a page."""
    block = re.search(r"(?ms)^ *```yaml\n(.*?)^ *```$", page.read_text())
    assert block is not None, page
    values: dict[str, Any] = yaml.safe_load(textwrap.dedent(block.group(1)))
    return values


def commands(page: Path, start: str) -> list[list[str]]:
    """Return the commands of a page's code blocks that begin with `start`, as words."""
    blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```$", page.read_text())
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip().startswith(start)]
