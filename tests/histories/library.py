"""The histories, each with what a good shield makes of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.histories.etcd import GIB, MEMBERS, Course, Point, Unscraped


@dataclass(frozen=True, kw_only=True)
class History:
    """One history.

    Attributes:
        name: What people call it.
        story: What happened, in a sentence.
        course: The etcd's part in it.
        need: (from, to) in hours: when the tier `standard` has to be closed, and no longer.
        outages: How often etcd was full.
    """

    name: str
    story: str
    course: Course
    need: Sequence[tuple[float, float]] = ()
    outages: int = 0


def _p(at: float, file: float, in_use: float) -> Point:
    return Point(at=at, file=file, in_use=in_use)


def _scattered_gaps(seed: int, hours: float) -> tuple[Unscraped, ...]:
    """Gaps of one to ten minutes, some of one member and some of all."""
    chance = random.Random(seed)
    gaps = []
    at = chance.uniform(0.1, 0.5)
    while at < hours:
        length = chance.uniform(1, 10) / 60
        members = MEMBERS if chance.random() < 0.5 else (chance.choice(MEMBERS),)
        gaps.append(Unscraped(start=at, end=at + length, members=members))
        at += length + chance.uniform(0.2, 0.8)
    return tuple(gaps)


HISTORIES: Sequence[History] = (
    History(
        name="slow-growth",
        story="A week of finished runs that nobody prunes, then a clean-up and a defrag.",
        course=Course(
            points=(
                _p(0, 0.42, 0.40),
                _p(156, 0.93, 0.80),
                _p(159, 0.935, 0.50),
                _p(159.1, 0.52, 0.50),
                _p(168, 0.54, 0.52),
            ),
        ),
        need=((146.82, 159.03),),
    ),
    History(
        name="burst",
        story="A bot starts thousands of runs: from 60% to full in twenty minutes.",
        course=Course(
            points=(
                _p(0, 0.60, 0.55),
                _p(2, 0.61, 0.56),
                _p(2.33, 1.002, 0.94),
                _p(4, 1.004, 0.94),
                _p(4.2, 1.004, 0.48),
                _p(4.25, 0.50, 0.48),
                _p(8, 0.51, 0.49),
            ),
        ),
        need=((2.245, 4.23),),
        outages=1,
    ),
    History(
        name="saw-tooth",
        story="A healthy etcd: compaction every five minutes, a defrag every night.",
        course=Course(
            points=tuple(
                point
                for day in range(3)
                for point in (
                    _p(24 * day, 0.52, 0.50),
                    _p(24 * day + 14, 0.78, 0.62),
                    _p(24 * day + 23.5, 0.78, 0.50),
                    _p(24 * day + 23.6, 0.52, 0.50),
                )
            ),
            ripple=0.05,
        ),
    ),
    History(
        name="fragmentation",
        story="The file is full of holes: live data stay at a third, the file reaches the quota.",
        course=Course(
            points=(
                _p(0, 0.70, 0.33),
                _p(40, 0.88, 0.34),
                _p(48, 1.001, 0.33),
                _p(50, 1.001, 0.33),
                _p(50.1, 0.36, 0.33),
                _p(72, 0.40, 0.33),
            ),
        ),
        need=((41.33, 50.03),),
        outages=1,
    ),
    History(
        name="oscillation-at-set",
        story="Compaction swings the live data across 85% all night.",
        course=Course(
            points=(
                _p(0, 0.86, 0.80),
                _p(2, 0.88, 0.838),
                _p(10, 0.89, 0.838),
                _p(11, 0.89, 0.60),
                _p(11.1, 0.64, 0.60),
                _p(16, 0.66, 0.61),
            ),
            ripple=0.02,
            noise=0.002,
        ),
        need=((1.8, 10.4),),
    ),
    History(
        name="oscillation-at-reset",
        story="After a clean-up the live data swing across 75% for hours.",
        course=Course(
            points=(
                _p(0, 0.80, 0.78),
                _p(2, 0.88, 0.875),
                _p(3, 0.88, 0.76),
                _p(3.1, 0.78, 0.76),
                _p(4, 0.78, 0.742),
                _p(12, 0.78, 0.742),
            ),
            ripple=0.02,
            noise=0.002,
        ),
        need=((1.3, 3.6),),
    ),
    History(
        name="scrape-gaps",
        story="Scrapes fail here and there, now of one member, now of all, until etcd is full.",
        course=Course(
            points=(
                _p(0, 0.70, 0.66),
                _p(20, 0.86, 0.80),
                _p(24, 1.001, 0.90),
                _p(25, 1.001, 0.55),
                _p(25.1, 0.58, 0.55),
                _p(30, 0.60, 0.56),
            ),
            unscraped=_scattered_gaps(seed=7, hours=30),
        ),
        need=((21.07, 25.06),),
        outages=1,
    ),
    History(
        name="member-lost",
        story="The fullest member is not scraped for an hour; the others were defragmented before.",
        course=Course(
            points=(
                _p(0, 0.84, 0.60),
                _p(6, 0.93, 0.62),
                _p(9, 0.96, 0.62),
                _p(10, 1.001, 0.63),
                _p(11, 1.001, 0.63),
                _p(11.1, 0.66, 0.63),
                _p(16, 0.67, 0.63),
            ),
            behind=(0.0, 0.20, 0.21),
            unscraped=(Unscraped(start=7, end=8, members=MEMBERS[:1]),),
        ),
        need=((4.0, 11.06),),
        outages=1,
    ),
    History(
        name="prometheus-restarted",
        story="Prometheus is away for eight minutes while usage crosses 90%.",
        course=Course(
            points=(
                _p(0, 0.80, 0.70),
                _p(4, 0.89, 0.74),
                _p(4.5, 0.93, 0.78),
                _p(6, 0.94, 0.78),
                _p(6.2, 0.94, 0.50),
                _p(6.3, 0.53, 0.50),
                _p(12, 0.55, 0.51),
            ),
            unscraped=(Unscraped(start=4.05, end=4.19),),
        ),
        need=((4.19, 6.24),),
    ),
    History(
        name="metrics-gone-while-full",
        story="At 98% all metrics vanish for six hours, and etcd fills up unseen.",
        course=Course(
            points=(
                _p(0, 0.80, 0.70),
                _p(5, 0.98, 0.84),
                _p(8, 1.001, 0.86),
                _p(13, 1.001, 0.86),
                _p(13.5, 1.001, 0.50),
                _p(13.6, 0.53, 0.50),
                _p(20, 0.56, 0.51),
            ),
            unscraped=(Unscraped(start=6, end=12),),
        ),
        need=((2.78, 13.55),),
        outages=1,
    ),
    History(
        name="quota-raised",
        story="At 92% of 2 GiB the quota is raised to 8 GiB.",
        course=Course(
            points=(_p(0, 0.80, 0.70), _p(5, 0.92, 0.80), _p(12, 0.96, 0.84)),
            quota=((0.0, 2 * GIB), (6.0, 8 * GIB)),
        ),
        need=((4.17, 6.0),),
    ),
)


def named(name: str) -> History:
    """Return the history of a name.

    Raises:
        KeyError: There is none.
    """
    return {history.name: history for history in HISTORIES}[name]
