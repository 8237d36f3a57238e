"""Clients that create runs: new requests as they arrive, and refused ones that come back."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from shield_evaluator.simulate.world import Arrivals, Clients


class RunRequest(NamedTuple):
    """One client's request for a run.

    Attributes:
        tier: its tier.
        arrived: when it was made first, second.
        retries: how often it has come back.
    """

    tier: str
    arrived: int
    retries: int = 0


class RequestQueue:
    """Requests in the order in which they are made.

    Attributes:
        waiting: how many are going to come back.
    """

    def __init__(
        self, arrivals: Arrivals, clients: Clients, tiers: Mapping[str, float], chance: Random
    ) -> None:
        self._changes = list(reversed(arrivals.changes))
        self._clients = clients
        self._names = list(tiers)
        self._shares = list(tiers.values())
        self._chance = chance
        self._rate = 0.0
        self._due = 0.0
        self._coming_back: defaultdict[int, list[RunRequest]] = defaultdict(list)
        self.waiting = 0

    def new(self, second: int) -> list[RunRequest]:
        """Return the requests that are made for the first time; seconds come in order."""
        while self._changes and self._changes[-1][0] <= second:
            self._rate = self._changes.pop()[1]
        self._due += self._rate
        arrived = int(self._due)
        self._due -= arrived
        return [RunRequest(self._tier(), second) for _ in range(arrived)]

    def returning(self, second: int) -> list[RunRequest]:
        """Return the requests that come back."""
        requests = self._coming_back.pop(second, [])
        self.waiting -= len(requests)
        return requests

    def refuse(self, request: RunRequest, second: int) -> bool:
        """Refuse a request; return whether it will come back."""
        clients = self._clients
        impatient = request.retries == 0 and self._chance.random() >= clients.patient
        if impatient or request.retries >= clients.retries:
            return False
        wait = max(1, int(clients.wait * (0.5 + self._chance.random())))
        again = request._replace(retries=request.retries + 1)
        self._coming_back[second + wait].append(again)
        self.waiting += 1
        return True

    def waiting_by_tier(self) -> Counter[str]:
        """Return how many are going to come back, by tier."""
        return Counter(r.tier for requests in self._coming_back.values() for r in requests)

    def _tier(self) -> str:
        if len(self._names) == 1:
            return self._names[0]
        return self._chance.choices(self._names, self._shares)[0]
