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
    lines = _code_lines(page.read_text())
    return [shlex.split(line) for line in lines if line.startswith(start)]


def section(page: Path, heading: str) -> str:
    """Return a section of a page, from its heading to the next of the same level."""
    match = re.search(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text())
    assert match is not None, f"{page}: {heading}"
    return match.group(1)


def shell_commands(text: str) -> list[list[str]]:
    """Return all commands of helm and kubectl in a text's code blocks, in their order."""
    lines = (line.removeprefix("$ ") for line in _code_lines(text))
    return [shlex.split(line) for line in lines if line.startswith(("helm ", "kubectl "))]


def values_in(text: str) -> dict[str, dict[str, Any]]:
    """Return the values files of a text, by the last name of a file before each."""
    files = {}
    for match in re.finditer(r"(?ms)`([\w-]+\.yaml)`[^`]*:\n\n```yaml\n(.*?)^```$", text):
        files[match.group(1)] = yaml.safe_load(match.group(2))
    return files


def _code_lines(text: str) -> list[str]:
    """Return the lines of a text's code blocks; a line that a backslash continues is one."""
    blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```$", text)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines]
