"""What a connection asks of its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.http.budget import BodyBudget
    from shield_admitter.http.interface import Answer, Service

GuestT_contra = TypeVar("GuestT_contra", contravariant=True)  # a connection, which knows its host


class Host(Protocol[GuestT_contra]):
    """What a connection asks of its server.

    Attributes:
        budget: memory for large bodies, shared by all connections.
        scratch: where bytes arrive; each connection takes its own out before another gets it.
    """

    budget: BodyBudget
    scratch: memoryview

    @property
    def service(self) -> Service:
        """Answers the requests."""
        ...

    def time(self) -> float:
        """Read the loop's clock."""
        ...

    def call_soon(self, call: Callable[[], None], /) -> object:
        """Call in the next round of the loop."""
        ...

    def opened(
        self, connection: GuestT_contra, certificate: dict[str, Any] | None
    ) -> Answer | None:
        """Note a connection; return what all its requests are answered if it is not welcome."""
        ...

    def closed(self, connection: GuestT_contra) -> None:
        """Forget a connection."""
        ...

    def render(self, answer: Answer, *, close: bool, bodiless: bool) -> bytes:
        """Write an answer as HTTP/1.1; one to HEAD has no body (RFC 9110, 9.3.2)."""
        ...
