"""Recordings: what is written can be read, and a failure leaves what was there."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.backtest.recording import decode, encode, replacing
from shield_evaluator.backtest.samples import QuerySamples, Samples, Series, Warned
from shield_evaluator.prometheus.range_query import Grid

VALUES = st.lists(st.none() | st.floats(), min_size=1, max_size=20)


def _series(values: list[float | None]) -> Series:
    series = Series("a", len(values))
    for index, value in enumerate(values):
        if value is not None:
            series.put(index, value)
    return series


def _plain(series: Series) -> list[str]:
    pairs = zip(series.values, series.present, strict=True)
    return [repr(value) if there else "absent" for value, there in pairs]


@given(VALUES)
def test_any_value_survives_the_file(values: list[float | None]) -> None:
    series = _series(values)
    grid = Grid(1_795_000_000_000, 30_000, len(values))
    query = QuerySamples("up", ("s",), [series], [Warned(0, 0, "a store is away")])
    read = decode(encode(Samples(grid, [query])))
    assert (grid, _plain(series)) == (read.grid, _plain(read.queries[0].series[0]))
    assert [Warned(0, 0, "a store is away")] == read.queries[0].warned


def test_no_value_and_no_number_stay_apart() -> None:
    grid = Grid(0, 1_000, 2)
    query = QuerySamples("up", ("s",), [_series([math.nan, None])])
    read = decode(encode(Samples(grid, [query]))).queries[0]
    assert [1, 0] == [len(read.at(index)) for index in range(2)]


def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert ["new"] == [file.read_text() for file in tmp_path.iterdir()]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_goes_wrong_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error):
        _break_off(path, error)
    assert ["old"] == [file.read_text() for file in tmp_path.iterdir()]


def _break_off(path: Path, error: type[BaseException]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error
