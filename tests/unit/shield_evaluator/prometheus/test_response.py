"""Reading the bodies of instant queries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.observation import Sample
from shield_evaluator.prometheus.response import PrometheusError, member_of, parse

LABEL_NAMES = ("__name__", "instance", "job", "member", "node", "pod")
labels = st.dictionaries(st.sampled_from(LABEL_NAMES), st.text(max_size=8))


def body(*series: tuple[dict[str, str], str], result_type: str = "vector") -> bytes:
    result = [{"metric": metric, "value": [1_795_000_000.123, value]} for metric, value in series]
    data = {"resultType": result_type, "result": result}
    return json.dumps({"status": "success", "data": data}).encode()


@pytest.mark.parametrize(
    ("member", "metric"),
    [
        pytest.param("a:1", {"instance": "a:1", "pod": "p", "node": "n"}, id="instance first"),
        pytest.param("p", {"node": "n", "member": "m", "pod": "p"}, id="then pod"),
        pytest.param("m", {"node": "n", "member": "m"}, id="then member"),
        pytest.param("n", {"node": "n", "job": "etcd"}, id="then node"),
        pytest.param("az=1,job=etcd", {"job": "etcd", "az": "1", "__name__": "up"}, id="all else"),
        pytest.param("", {}, id="an aggregate"),
    ],
)
def test_a_member_is_named_by_the_first_label_that_can(member: str, metric: dict[str, str]) -> None:
    assert (Sample(member, 0.5),) == parse(body((metric, "0.5"))).samples


@given(metrics=st.lists(labels, max_size=4))
def test_members_are_those_of_all_labels_whichever_series_has_which(
    metrics: list[dict[str, str]],
) -> None:
    expected = tuple(Sample(member_of(metric), float(n)) for n, metric in enumerate(metrics))

    assert expected == parse(body(*((metric, str(n)) for n, metric in enumerate(metrics)))).samples


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
    ],
)
def test_what_is_no_vector_is_told_apart(kind: str, answer: bytes) -> None:
    with pytest.raises(PrometheusError) as refused:
        parse(answer)

    assert kind == refused.value.kind
