"""Counting in integers shows what prometheus_client itself would show."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from shield_admitter.tally import CounterTally, HistogramTally

# As shield_common.probes does for every service.
disable_created_metrics()  # type: ignore[no-untyped-call]

BOUNDS = (0.001, 0.01, 0.5, 1.0)


@given(st.lists(st.sampled_from([0.0, 0.0005, 0.001, 0.25, 0.5, 1.0, 7.0])))
def test_a_histogram_is_shown_as_the_library_shows_its_own(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = HistogramTally("x_seconds", "X.", BOUNDS)
    ours.register(tally)
    histogram = Histogram("x_seconds", "X.", buckets=BOUNDS, registry=theirs)
    for value in values:
        tally.observe(value)
        histogram.observe(value)
    assert generate_latest(theirs) == generate_latest(ours)


@given(st.lists(st.sampled_from(["a", "b", 'q"\n'])))
def test_a_counter_is_shown_as_the_library_shows_its_own(values: list[str]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = CounterTally("x", "X.", ("y",))
    ours.register(tally)
    counter = Counter("x", "X.", ("y",), registry=theirs)
    tally.create("b")
    counter.labels("b")
    for value in values:
        tally.count(value)
        counter.labels(value).inc()
    assert generate_latest(theirs) == generate_latest(ours)
