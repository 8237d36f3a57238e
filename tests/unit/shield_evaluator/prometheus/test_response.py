"""Reading the bodies of instant queries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.observation import Sample
from shield_evaluator.prometheus.members import member_names
from shield_evaluator.prometheus.response import PrometheusError, parse

LABEL_NAMES = ("__name__", "instance", "job", "member", "node", "pod")
labels = st.dictionaries(st.sampled_from(LABEL_NAMES), st.text(max_size=8))


def body(*series: tuple[dict[str, str], str], result_type: str = "vector") -> bytes:
    result = [{"metric": metric, "value": [1_795_000_000.123, value]} for metric, value in series]
    data = {"resultType": result_type, "result": result}
    return json.dumps({"status": "success", "data": data}).encode()


@given(metrics=st.lists(labels, max_size=4, unique_by=lambda metric: tuple(sorted(metric.items()))))
def test_members_are_named_alike_whichever_decoder_is_used(metrics: list[dict[str, str]]) -> None:
    expected = tuple(map(Sample, member_names(metrics), map(float, range(len(metrics)))))
    assert expected == parse(body(*((metric, str(n)) for n, metric in enumerate(metrics)))).samples


def test_t6_a_configured_label_names_the_member() -> None:
    series = [({"instance": "rh01", "etcd": name}, "0.5") for name in ("a", "b")]
    answer = parse(body(*series), member_label="etcd")
    assert ["a", "b"] == [sample.member for sample in answer.samples]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        pytest.param("wrong_type", body(result_type="matrix"), id="an empty matrix"),
        pytest.param(
            "wrong_type",
            b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}',
            id="a scalar, which no list of series is",
        ),
        pytest.param("malformed", body(({}, "half")), id="a value that is no number"),
        pytest.param(
            "malformed", body(({}, "1")).replace(b"]}", b",0]}", 1), id="three in a point"
        ),
        pytest.param("malformed", b'{"status":"error","error":"no"}', id="no success"),
        pytest.param("malformed", b"<html>", id="not JSON"),
        pytest.param(
            "malformed", body()[:-1] + b',"isPartial":"\xff"}', id="no UTF-8 beside the result"
        ),
    ],
)
def test_error_class_of_an_answer_that_is_no_vector(kind: str, answer: bytes) -> None:
    with pytest.raises(PrometheusError) as refused:
        parse(answer)

    assert kind == refused.value.kind
