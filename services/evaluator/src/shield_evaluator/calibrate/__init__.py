"""Finding a run's cost in the past: etcd's growth against the runs that were created.

``history`` picks what is needed from samples, ``growth`` leaves out what compactions took away,
``fit`` explains the rest by runs (``least_squares``) and says how sure it is; ``advice`` makes
settings of it, ``tables`` and ``plot`` show it. What fetches, reads and writes samples is in
``backtest``.

Theory
======

Between two compactions etcd's live data only grow: by what the runs write that are on their way,
and by everything else. If a run writes evenly over `grows_over`, then over any stretch of time

    growth = run_cost x runs written in it + other growth x its length

where a run that was created some time before counts with the part of it that falls into the
stretch. For each of some values of `grows_over`, the two unknowns are found by least squares; the
value that leaves the smallest squares wins. How sure that is comes from a bootstrap: the same is
done on many random selections of the history's hours, and the spread of the results is reported.

A compaction, which takes away up to ten minutes' writes at once, shows as a fall far below what
noise explains. Steps with one are left out on both sides of the equation. So `run_cost` is what a
run writes while it writes, whether or not a compaction comes in between.
"""
