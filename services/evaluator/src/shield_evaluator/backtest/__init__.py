"""Trying thresholds on samples of the past: fetch or read them, replay the latches, report.

Pure, reaching no network, clock or file: ``time_range`` (which steps are meant), ``samples``,
``replay``, and ``findings``, ``gaps`` and ``report``. Around them ``fetch`` asks
Prometheus, ``recording`` reads and writes files, and ``tables`` and ``plot`` show a report. What
moves a latch is not here: every step goes through ``core.latch``.
"""
