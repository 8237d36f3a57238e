"""Poll a condition until it holds, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

from tests.rig.errors import NotInTimeError

# Short beside the duration of a test, and long enough that probes do not load the server.
POLL_SECONDS = 0.05


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    within: float,
    what: str,
    every: float = POLL_SECONDS,
) -> None:
    """Poll `condition` until it is true.

    Args:
        condition: Called once per poll; what it returns is awaited if it can be. An exception
            from it ends the wait.
        within: Seconds after which to give up. A hanging condition is cancelled then.
        what: Name of the condition, for the message "waited 5 s for …".
        every: Seconds between two polls.

    Raises:
        NotInTimeError: The deadline passed.
    """
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        limit = asyncio.timeout(left)
        try:
            async with limit:
                result = condition()
                if await result if inspect.isawaitable(result) else result:
                    return
        except TimeoutError:
            if not limit.expired():
                raise
            break
        await asyncio.sleep(min(every, max(deadline - time.monotonic(), 0)))
    raise NotInTimeError(f"waited {within:.3g} s for {what}")
