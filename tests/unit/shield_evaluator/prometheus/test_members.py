"""Names of members: they differ wherever label sets do (T6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.prometheus.members import member_names

LABELS = ("__name__", "instance", "job", "member", "node", "pod")
label_sets = st.lists(
    st.dictionaries(st.sampled_from(LABELS), st.sampled_from(["a", "b"])),
    max_size=8,
    unique_by=lambda labels: tuple(sorted(labels.items())),
)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param("a:1", {"instance": "a:1", "pod": "p", "node": "n"}, id="instance first"),
        pytest.param("p", {"node": "n", "member": "m", "pod": "p"}, id="then pod"),
        pytest.param("m", {"node": "n", "member": "m"}, id="then member"),
        pytest.param("n", {"node": "n", "job": "etcd"}, id="then node"),
        pytest.param("az=1,job=etcd", {"job": "etcd", "az": "1", "__name__": "up"}, id="all else"),
        pytest.param("", {}, id="an aggregate"),
    ],
)
def test_one_member_is_named_by_its_first_usual_label(name: str, labels: dict[str, str]) -> None:
    assert [name] == member_names([labels])


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        pytest.param(
            ["etcd-0", "etcd-1"],
            [{"instance": "rh01", "pod": "etcd-0"}, {"instance": "rh01", "pod": "etcd-1"}],
            id="instance is the cluster's name",
        ),
        pytest.param(
            ["a:1 (job=etcd)", "a:1 (job=kube-etcd)", "b:1"],
            [
                {"instance": "a:1", "job": "etcd"},
                {"instance": "a:1", "job": "kube-etcd"},
                {"instance": "b:1", "job": "etcd"},
            ],
            id="one member scraped by two jobs",
        ),
        pytest.param(
            ["a:1", "a:1 (cluster=two)"],
            [{"instance": "a:1"}, {"instance": "a:1", "cluster": "two"}],
            id="a label that only one of them has",
        ),
        pytest.param(
            ["etcd-0", "b:1"],
            [{"pod": "etcd-0"}, {"instance": "b:1"}],
            id="no label in common",
        ),
    ],
)
def test_t6_names_of_several_members(names: list[str], labels: list[dict[str, str]]) -> None:
    expected = [name.replace("a:1 ()", "a:1") for name in names]
    assert expected == [name.removesuffix(" ()") for name in member_names(labels)]


@given(label_sets)
def test_t6_distinct_label_sets_have_distinct_names(labels: list[dict[str, str]]) -> None:
    assert len(labels) == len(set(member_names(labels)))


def test_t6_series_with_one_value_of_the_configured_label_are_one_member() -> None:
    labels = [{"pod": "etcd-0", "job": job} for job in ("etcd", "kube-etcd")]
    assert {"etcd-0"} == set(member_names(labels, "pod"))


@pytest.mark.parametrize("label", ["cluster", "cluster_id", "namespace"])
def test_t2_t6_members_of_two_etcds_stay_apart_under_one_configured_name(label: str) -> None:
    labels = [{"pod": "etcd-0", label: value} for value in ("one", "two")]
    assert [f"etcd-0 ({label}=one)", f"etcd-0 ({label}=two)"] == member_names(labels, "pod")


def test_t6_a_scrape_without_a_namespace_is_of_the_same_member() -> None:
    labels = [{"pod": "etcd-0", "namespace": "kube-system"}, {"pod": "etcd-0"}]
    assert {"etcd-0"} == set(member_names(labels, "pod"))


def test_t6_a_series_without_the_configured_label_is_named_by_all_labels() -> None:
    assert ["job=etcd"] == member_names([{"job": "etcd"}], "pod")
