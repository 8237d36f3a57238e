"""An etcd that fills: objects, revisions until they are compacted, and a file that only grows.

in use = base + objects of runs + revisions that are not compacted yet
file   = the highest `in use` since the last defragmentation
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shield_evaluator.simulate.world import EtcdModel, RunModel


class Etcd:
    """The bytes in one etcd, moved second by second.

    Attributes:
        file: bytes of the file; at the quota, etcd is out of service.
        in_use: bytes of it that hold data.
        writing: runs that are writing now.
    """

    def __init__(self, model: EtcdModel, run: RunModel) -> None:
        self._model = model
        self._run = run
        self._base = model.base * model.quota
        self._objects = 0.0
        self._revisions = 0.0
        self._compactable = 0.0  # of these, what the next compaction removes
        self._ends: defaultdict[int, int] = defaultdict(int)
        self._pruned: defaultdict[int, int] = defaultdict(int)
        self.writing = 0
        self.in_use = self._base
        self.file = max(self._base, model.file * model.quota)

    def start(self, second: int) -> None:
        """Start a run, which will write, end and be pruned."""
        self.writing += 1
        end = second + self._run.lasts
        self._ends[end] += 1
        self._pruned[end + self._run.pruned_after] += 1

    def hold(self) -> None:
        """Store a run that is held."""
        self._objects += self._run.held
        self._revisions += self._run.held_writes

    def release(self, second: int) -> None:
        """Start a run that was held; its object is the first that it leaves."""
        self._objects -= self._run.held
        self.start(second)

    def advance(self, second: int) -> None:
        """Move on by one second; seconds come in order."""
        model, run = self._model, self._run
        self.writing -= self._ends.pop(second, 0)
        # A deletion frees nothing yet: what was there is history until it is compacted.
        deleted = self._pruned.pop(second, 0) * run.leaves
        self._objects += self.writing * run.leaves / run.lasts - deleted
        self._revisions += self.writing * run.writes / run.lasts + deleted
        if second % model.compaction == model.compaction - 1:
            self._revisions -= self._compactable
            self._compactable = self._revisions
        self.in_use = self._base + self._objects + self._revisions
        self.file = max(self.file, self.in_use)
        if model.defrag is not None and second % model.defrag == model.defrag - 1:
            self.file = self.in_use

    @property
    def full(self) -> bool:
        """Whether etcd refuses every write, until somebody frees space by hand."""
        return self.file >= self._model.quota
