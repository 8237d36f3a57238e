"""Sizes as configuration files write them: bytes, or Kubernetes' binary suffixes."""

from __future__ import annotations

import re
from typing import Final

PATTERN: Final = r"^[1-9][0-9]{0,11}(Ki|Mi|Gi|KiB|MiB|GiB)?$"
_SIZE: Final = re.compile(PATTERN)
_UNITS: Final = {"K": 1024, "M": 1024**2, "G": 1024**3}


class Size(int):
    """A number of bytes, written ``8388608`` or ``8Mi`` (``8MiB`` is the same)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read a size.

        Raises:
            ValueError: the text is not one; the message says what one looks like.
        """
        if not _SIZE.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is not a size such as 8Mi or 65536")
        digits = text.rstrip("KMGiB")
        return cls(int(digits) * _UNITS.get(text[len(digits) : len(digits) + 1], 1))
