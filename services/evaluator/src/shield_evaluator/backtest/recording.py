"""Samples as a file: what ``--record`` writes, ``--from-file`` reads, and a colleague can replay.

JSON, schema 1. Per query a list of series; per series one entry per step: a number, ``null`` where
there was none, or ``"NaN"``, ``"+Inf"``, ``"-Inf"``.
"""

from __future__ import annotations

import math
import os
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from shield_common.config.errors import plain_with_path
from shield_evaluator.backtest.samples import (
    QuerySamples,
    Samples,
    SamplesError,
    Series,
    Warned,
    check_size,
)
from shield_evaluator.prometheus.range_query import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: Final = 1
# A month at 30 s of six series takes 10 MB; reading a file takes several times its size.
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
_NOT_FINITE: Final = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf}
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class _Series(Struct):
    member: str
    values: list[float | str | None]


class _Warned(Struct):
    first: _Count
    last: _Count
    text: str


class _Query(Struct):
    expression: str
    signals: tuple[str, ...]
    series: list[_Series]
    warnings: list[_Warned] = msgspec.field(default_factory=list)


class _Recording(Struct):
    """The file. ``start`` is UTC; every series has ``steps`` values."""

    start: Annotated[datetime, Meta(tz=True)]
    step_seconds: Annotated[float, Meta(gt=0, le=86_400)]
    steps: Annotated[int, Meta(ge=1)]
    queries: Annotated[list[_Query], Meta(min_length=1)]
    schema: int = SCHEMA


class _Header(Struct):
    schema: int


def encode(samples: Samples) -> bytes:
    """Write samples as a recording.

    Raises:
        SamplesError: it would be too large to be read again.
    """
    grid = samples.grid
    queries = [
        _Query(
            expression=query.expression,
            signals=query.names,
            series=[_Series(member=one.member, values=_values(one)) for one in query.series],
            warnings=[_Warned(first=w.first, last=w.last, text=w.text) for w in query.warned],
        )
        for query in samples.queries
    ]
    recording = _Recording(
        start=datetime.fromtimestamp(grid.start_ms / 1000, UTC),
        step_seconds=grid.step_ms / 1000,
        steps=grid.steps,
        queries=queries,
    )
    document = msgspec.json.encode(recording)
    if len(document) > MAX_FILE_BYTES:
        raise SamplesError(
            f"a recording of {len(document)} bytes could not be read again, at most"
            f" {MAX_FILE_BYTES} are; take a shorter range or a longer step"
        )
    return document


def decode(document: bytes) -> Samples:
    """Read a recording.

    Raises:
        SamplesError: not one, or of a higher schema.
    """
    try:
        schema = msgspec.json.decode(document, type=_Header).schema
        if schema > SCHEMA:
            raise SamplesError(f"a recording of schema {schema}, this version knows up to {SCHEMA}")
        recording = msgspec.json.decode(document, type=_Recording)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SamplesError(f"not a recording: {plain_with_path(error)}") from error
    grid = Grid(
        start_ms=round(recording.start.timestamp() * 1000),
        step_ms=max(round(recording.step_seconds * 1000), 1),
        steps=recording.steps,
    )
    check_size(grid, sum(len(query.series) for query in recording.queries))
    return Samples(grid, [_query(query, grid) for query in recording.queries])


def read(path: Path) -> Samples:
    """Read a recording from a file.

    Raises:
        SamplesError: the file cannot be read, or is not a recording.
    """
    try:
        with path.open("rb") as file:  # a device has no size, so the read is bounded
            document = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SamplesError(f"{path}: cannot be read: {error.strerror}") from error
    if len(document) > MAX_FILE_BYTES:
        raise SamplesError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return decode(document)
    except SamplesError as error:
        raise SamplesError(f"{path}: {error}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write beside a path, and put it in the path's place if all went well.

    Whatever ends the block early, Ctrl-C included, leaves what was there before.

    Raises:
        SamplesError: the file cannot be written.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        # mkstemp makes it private; the file is meant for colleagues, as umask allows.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise SamplesError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _values(series: Series) -> list[float | str | None]:
    return [
        (value if math.isfinite(value) else _word(value)) if there else None
        for value, there in zip(series.values, series.present, strict=True)
    ]


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _query(query: _Query, grid: Grid) -> QuerySamples:
    return QuerySamples(
        expression=query.expression,
        names=query.signals,
        series=[_series(one, grid) for one in query.series],
        warned=[Warned(w.first, w.last, w.text) for w in query.warnings],
    )


def _series(one: _Series, grid: Grid) -> Series:
    if len(one.values) != grid.steps:
        raise SamplesError(
            f"member {one.member[:80]} has {len(one.values)} values, not {grid.steps} as announced"
        )
    series = Series(one.member, grid.steps)
    for index, value in enumerate(one.values):
        if isinstance(value, str):
            if value not in _NOT_FINITE:
                raise SamplesError(f"{value[:20]!r} is not a value")
            series.put(index, _NOT_FINITE[value])
        elif value is not None:
            series.put(index, value)
    return series
