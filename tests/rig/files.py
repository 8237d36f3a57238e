"""Files that a running server reads again while they change."""

from pathlib import Path


def replace(path: Path, content: str | bytes) -> None:
    """Write a file so that every reader sees the old content or the new, never a part of one.

    Only this user can read it, because some of these files hold keys and passwords.
    """
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content.encode() if isinstance(content, str) else content)
    fresh.replace(path)
