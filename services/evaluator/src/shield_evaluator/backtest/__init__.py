"""Trying thresholds on samples of the past: fetch or read them, replay the latches, report.

Pure: ``samples``, ``replay``, ``findings``, ``report`` and ``moments``; they reach no network,
clock or file. Around them ``fetch`` asks Prometheus, ``recording`` reads and writes files, and
``table`` and ``plot`` show a report. What moves a latch is not here: every step goes through
``core.latch``.
"""
