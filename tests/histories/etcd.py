"""What an etcd's members report over time: a course of key points, with compaction's ripple."""

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

GIB = 1024**3
MEMBERS = ("10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379")
STEP_SECONDS = 30
# Kubernetes' API server has etcd compacted every five minutes.
COMPACTION_HOURS = 5 / 60


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where the fullest member is at a time; between two points it moves evenly.

    Attributes:
        at: Hours since the history's begin.
        file: Size of the database file as a share of the quota.
        in_use: Size of the live data as a share of the quota.
    """

    at: float
    file: float
    in_use: float


@dataclass(frozen=True, kw_only=True)
class Unscraped:
    """A stretch without samples.

    Attributes:
        start: Hours since the history's begin.
        end: The same.
        members: Of whom.
    """

    start: float
    end: float
    members: tuple[str, ...] = MEMBERS


@dataclass(frozen=True, kw_only=True)
class Course:
    """All that happens to an etcd in one history.

    Attributes:
        points: The course, in order of time; the last one ends it.
        ripple: How far the live data rises between two compactions, as a share of the quota.
        noise: Spread of the live data from one sample to the next, the same.
        behind: How much less full the other members are than the fullest, by member.
        unscraped: Where samples are missing.
        quota: (hours, bytes): the quota from then on.
        seed: For the noise.
    """

    points: Sequence[Point]
    ripple: float = 0.004
    noise: float = 0.0004
    behind: Sequence[float] = (0.0, 0.004, 0.007)
    unscraped: Sequence[Unscraped] = ()
    quota: Sequence[tuple[float, int]] = field(default=((0.0, 8 * GIB),))
    seed: int = 1

    @property
    def steps(self) -> int:
        """How many samples each member would give."""
        return round(self.points[-1].at * 3600 / STEP_SECONDS) + 1


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one member reports in one scrape, in bytes."""

    step: int
    member: str
    file: int
    in_use: int
    quota: int


def readings(course: Course) -> Iterator[Reading]:
    """Yield every reading that was scraped, in order of time."""
    chance = random.Random(course.seed)
    first_quota = course.quota[0][1]
    for step in range(course.steps):
        hours = step * STEP_SECONDS / 3600
        file, in_use = _between(course.points, hours)
        in_use += course.ripple * ((hours / COMPACTION_HOURS) % 1.0)
        quota = [size for since, size in course.quota if since <= hours][-1]
        for member, behind in zip(MEMBERS, course.behind, strict=True):
            wobble = chance.gauss(0.0, course.noise)
            if any(g.start <= hours < g.end and member in g.members for g in course.unscraped):
                continue
            live = max(in_use - behind + wobble, 0.0)
            yield Reading(
                step=step,
                member=member,
                # Shares are of the first quota: raising it changes no size. Live data fit the file.
                file=round(max(file - behind, live) * first_quota),
                in_use=round(live * first_quota),
                quota=quota,
            )


def _between(points: Sequence[Point], hours: float) -> tuple[float, float]:
    after = bisect_right(points, hours, key=lambda point: point.at)
    if after == len(points):
        return points[-1].file, points[-1].in_use
    left, right = points[after - 1], points[after]
    share = (hours - left.at) / (right.at - left.at)
    return (
        left.file + share * (right.file - left.file),
        left.in_use + share * (right.in_use - left.in_use),
    )
