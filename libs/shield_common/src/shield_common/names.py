"""Names of clusters, tiers and signals: they go into Redis keys, metric labels and sentences.

The braces of a Redis hash tag, spaces and control characters must not get in.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

# Python's `$` also matches before a last newline, hence the (?!\n); a schema's reader, whose
# `$` does not, need not know `\Z`.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$(?!\n)")]
