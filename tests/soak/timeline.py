"""What happened when, in the soak's own seconds, and what was wrong with it; one for each act."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Timeline:
    """Events and counts of one act.

    Attributes:
        act: The act's name.
        show: Called with each line as it happens.
        answers: Number of answers by kind.
        lines: All lines that were shown.
        wrong: Descriptions of answers that the model calls wrong, and of missing ones.
    """

    act: str
    show: Callable[[str], None]
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Seconds since the soak began."""
        return time.monotonic() - self._began

    def tell(self, what: str) -> None:
        """Note an event."""
        line = f"{self.now:7.1f} s  {self.act:7}  {what}"
        self.lines.append(line)
        self.show(line)

    def blame(self, what: str) -> None:
        """Note something wrong."""
        self.wrong.append(f"{self.now:7.1f} s  {what}")
        self.tell(f"WRONG: {what}")
