"""What became of each run, as the API server's watch shows it; without clock or I/O.

Kubernetes gives every change a revision, so the order of releases is known exactly. The time of a
creation has whole seconds: runs of one second are released in the order of their names.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run as one event of the watch shows it.

    Attributes:
        name: Its name.
        created: When it was created, as the API server writes it; such texts sort as times do.
        revision: Of this state.
        is_pending: Whether it waits for its start.
    """

    name: str
    created: str
    revision: int
    is_pending: bool


@dataclass(kw_only=True)
class Journal:
    """Every run of the demo, and the order of what happened to them.

    Attributes:
        created: The first state of each run by name.
        started: Names of runs that started, at once or after they were held, in that order.
        released: States of held runs when they started, in that order.
        finished: Names of runs that have written everything, in that order.
        refused: Names of runs whose creation was refused.
        pruned: How many finished runs were deleted.
        most_held: How many runs were held at a time, at most.
    """

    created: dict[str, RunState] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    released: list[RunState] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    pruned: int = 0
    most_held: int = 0
    _waiting: set[str] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        """How many runs are held now."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many runs were held at any time."""
        return len(self.released) + self.waiting

    def counts(self) -> dict[str, int]:
        """Return the figures to show, in the order of a run's life."""
        return {
            "created": len(self.created),
            "held": self.held,
            "waiting": self.waiting,
            "released": len(self.released),
            "started": len(self.started),
            "finished": len(self.finished),
            "pruned": self.pruned,
        }

    def see(self, state: RunState) -> bool:
        """Note a state; return whether the run starts with it."""
        if state.name not in self.created:
            self.created[state.name] = state
            if state.is_pending:
                self._waiting.add(state.name)
                self.most_held = max(self.most_held, self.waiting)
                return False
        elif state.is_pending or state.name not in self._waiting:
            return False
        else:
            self._waiting.remove(state.name)
            self.released.append(state)
        self.started.append(state.name)
        return True

    def overtaken(self) -> int:
        """Return how many released runs had another one released before them that is younger.

        A run is younger if it was created later by its revision, and by its time and name too.
        """
        before: list[RunState] = []
        count = 0
        for name in (state.name for state in self.released):
            run = self.created[name]
            count += any(_is_older(run, other) for other in before)
            before.append(run)
        return count


def _is_older(run: RunState, other: RunState) -> bool:
    by_name = (run.created, run.name) < (other.created, other.name)
    return by_name and run.revision < other.revision
