"""The process's clocks, as the services' own parts take them: as arguments.

Only wiring and commands read them here. Everything else gets a clock or a time passed in, so that
a test can step it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Read the monotonic clock in whole milliseconds."""
    return time.monotonic_ns() // 1_000_000


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)
