"""The subscription to decisions, which is kept only by a controller that starts held runs.

The evaluator counts subscriptions and divides room among them, so one that hands out no room costs
its share (docs/adr/0170). A controller that only publishes, or that stands by, reads the decision
at intervals instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_controller.mirror import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shield_controller.settings import ControllerSettings

CHECK_SECONDS: Final = 0.5  # from a change of the leader to the subscription's begin or end


def refresh_seconds(settings: ControllerSettings) -> float:
    """Return the time between two reads of the decision besides the subscription.

    Without one, mirrors are to follow a change about as fast as they look for it.
    """
    return settings.refresh if settings.hold.enabled else min(settings.refresh, POLL_SECONDS)


async def follow_while(
    is_needed: Callable[[], bool],
    follow: Callable[[], Awaitable[None]],
    *,
    check_seconds: float = CHECK_SECONDS,
) -> None:
    """Follow the decision whenever that is needed. Runs until cancelled.

    Args:
        is_needed: whether this controller starts held runs now.
        follow: runs until cancelled, with a subscription; what it raises is raised here too.
        check_seconds: time between two looks at `is_needed`.
    """
    while True:
        if is_needed():
            following = asyncio.ensure_future(follow())
            try:
                while is_needed() and not following.done():
                    await asyncio.wait({following}, timeout=check_seconds)
                if following.done():
                    await following
            finally:
                following.cancel()
                # Its connection is closed before the next one is opened.
                await asyncio.wait({following})
        await asyncio.sleep(check_seconds)
