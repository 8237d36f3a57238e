"""Which answers say that they are incomplete (T4)."""

import json
from typing import Any

import pytest

from shield_evaluator.prometheus.completeness import header_incompleteness
from shield_evaluator.prometheus.range_query import parse_range
from shield_evaluator.prometheus.response import parse

SERIES = {"metric": {"instance": "a", "partial": "true"}, "value": [1.5, "0.5"]}


def body(*, in_data: dict[str, Any] | None = None, **beside: object) -> bytes:
    data = {"resultType": "vector", "result": [SERIES], **(in_data or {})}
    return json.dumps({"status": "success", "data": data, **beside}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(body(isPartial=True), id="VictoriaMetrics"),
        pytest.param(body(warnings=["store-2 is away"]), id="Prometheus, Thanos, Mimir, Cortex"),
        pytest.param(body(warning="store-2 is away"), id="one warning as text"),
        pytest.param(body(is_partial=True), id="is_partial"),
        pytest.param(body(partial=True), id="partial"),
        pytest.param(body(partialResponse="true"), id="partialResponse as text"),
        pytest.param(body(partial_response=1), id="partial_response as number"),
        pytest.param(body(partialResults={"detected": True}), id="partialResults as object"),
        pytest.param(body(truncated=True), id="truncated"),
        pytest.param(body(incomplete=True), id="incomplete"),
        pytest.param(body(exhaustive=False), id="not exhaustive"),
        pytest.param(body(complete=False), id="not complete"),
        pytest.param(body(in_data={"isPartial": True}), id="inside data"),
        pytest.param(body(in_data={"stats": {"partial": True}}), id="in statistics inside data"),
        pytest.param(body(stats={"stores": [{"partial": True}]}), id="in a list of statistics"),
        pytest.param(body(in_data={"warnings": ["store-2 is away"]}), id="warnings inside data"),
        pytest.param(body(Warnings=["store-2 is away"]), id="warnings in capitals"),
        pytest.param(body(errors=["store-2 is away"]), id="errors"),
        pytest.param(body(missingShards=2), id="missing shards"),
        pytest.param(body(_shards={"total": 3, "failed": 1}), id="failed shards"),
        pytest.param(body(unavailable=["store-2"]), id="unavailable stores"),
        pytest.param(body(timed_out=True), id="timed out"),
        pytest.param(body(seriesLimitReached=True), id="a limit that was reached"),
        pytest.param(body(isComplete=False), id="isComplete false"),
        pytest.param(body(completeness=0.5), id="half complete"),
        pytest.param(body(error="store-2 is away"), id="an error beside data"),
    ],
)
def test_t4_a_flag_of_incompleteness_is_a_warning(answer: bytes) -> None:
    assert parse(answer).warnings


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(body(), id="a label called partial"),
        pytest.param(body(isPartial=False), id="isPartial false"),
        pytest.param(body(partialResponse="false"), id="partialResponse false as text"),
        pytest.param(body(truncated=0), id="truncated 0"),
        pytest.param(body(exhaustive=True), id="exhaustive"),
        pytest.param(body(complete=True), id="complete"),
        pytest.param(body(warnings=[]), id="no warnings"),
        pytest.param(body(warnings=None), id="warnings null"),
        pytest.param(body(infos=["PromQL info: not a counter"]), id="infos"),
        pytest.param(body(stats={"seriesFetched": "3"}), id="statistics"),
        pytest.param(body(_shards={"total": 3, "failed": 0}), id="no failed shards"),
        pytest.param(body(errors=[], missing=None), id="no errors"),
        pytest.param(body(completeness=1.0), id="wholly complete"),
    ],
)
def test_t4_any_other_answer_is_complete(answer: bytes) -> None:
    assert () == parse(answer).warnings


def test_t4_a_range_that_is_partial_has_a_warning() -> None:
    data = {"resultType": "matrix", "result": []}
    answer = json.dumps({"status": "success", "isPartial": True, "data": data}).encode()
    assert parse_range(answer).warnings


@pytest.mark.parametrize(
    ("header", "value", "incomplete"),
    [
        ("M3-Results-Limited", "max_fetch_series_limit_applied", True),
        ("X-Partial-Response", "true", True),
        ("X-Partial-Response", "false", False),
        ("Warning", '110 - "Response is Stale"', True),
        ("X-Missing-Shards", "2", True),
        ("X-Failed-Stores", "0", False),
        ("X-Results-Complete", "false", True),
        ("X-Results-Complete", "true", False),
        ("RateLimit-Limit", "100", False),
    ],
)
def test_t4_a_header_says_whether_the_answer_is_incomplete(
    header: str, value: str, *, incomplete: bool
) -> None:
    assert incomplete is bool(header_incompleteness({header: value}))
