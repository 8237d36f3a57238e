"""What `check` finds out about the series of a query, and about what a Prometheus scrapes."""

import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from shield_evaluator.core.observation import Sample
from shield_evaluator.prometheus.alert_rules import AlertRules
from shield_evaluator.prometheus.environment import (
    DOCS,
    EtcdSeries,
    ambiguity,
    link_to,
    section_of,
)
from shield_evaluator.prometheus.response import Answer

SERIES = [
    pytest.param(
        EtcdSeries(namespaces=frozenset({"kube-system"}), jobs=frozenset({"kube-etcd"})),
        "kube-prometheus-stack",
        id="kube-prometheus-stack",
    ),
    pytest.param(
        EtcdSeries(namespaces=frozenset({""}), jobs=frozenset({"etcd"})),
        "kubeadm and kind",
        id="static scrape configuration",
    ),
    pytest.param(
        EtcdSeries(namespaces=frozenset({"openshift-etcd"}), jobs=frozenset({"etcd"})),
        "OpenShift",
        id="OpenShift",
    ),
    pytest.param(
        EtcdSeries(
            namespaces=frozenset({"clusters-one", "openshift-etcd"}), jobs=frozenset({"etcd"})
        ),
        "HyperShift",
        id="HyperShift",
    ),
    pytest.param(EtcdSeries(jobs=frozenset({"k3s-server"})), "RKE2 and k3s", id="k3s, by its job"),
    pytest.param(
        EtcdSeries(jobs=frozenset({"kube-etcd"}), versions=frozenset({"v1.34.1+rke2r1"})),
        "RKE2 and k3s",
        id="RKE2, by its version",
    ),
    pytest.param(EtcdSeries(apiserver=True), "EKS, GKE and AKS", id="the API server's metric only"),
    pytest.param(
        EtcdSeries(jobs=frozenset({"etcd"}), clusters=frozenset({"a", "b"})),
        "Several clusters in one Thanos",
        id="several clusters",
    ),
    pytest.param(
        EtcdSeries(jobs=frozenset({"etcd"}), victoria=True), "VictoriaMetrics", id="VictoriaMetrics"
    ),
    pytest.param(EtcdSeries(), "No metrics at all", id="nothing"),
]


@pytest.mark.parametrize(("series", "section"), SERIES)
def test_t7_section_that_fits(series: EtcdSeries, section: str) -> None:
    assert section == section_of(series)


@pytest.mark.parametrize("section", sorted({str(case.values[1]) for case in SERIES}))
def test_t7_every_link_leads_to_a_heading(section: str) -> None:
    page = (Path(__file__).parents[4] / DOCS).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}
    assert link_to(section).removeprefix(f"{DOCS}#") in anchors


class CountingPrometheus:
    """Counts series by a label, which is all that is asked of it."""

    def __init__(self, series: list[dict[str, str]]) -> None:
        self.series = series

    async def query(
        self,
        expression: str,
        *,
        budget: float,  # noqa: ARG002 - the protocol's
        member_label: str | None = None,
        members: int | None = None,  # noqa: ARG002 - the protocol's
    ) -> Answer:
        label = str(member_label)
        assert expression.startswith(f"count by ({label}) (")
        counts = Counter(labels.get(label, "") for labels in self.series)
        return Answer(tuple(Sample(value, float(count)) for value, count in counts.items()))

    async def alert_rules(self, alert: str, *, budget: float) -> AlertRules:
        raise NotImplementedError

    async def start_time(self, *, budget: float) -> datetime:
        raise NotImplementedError


THREE = [{"instance": f"10.0.0.{n}:2379", "pod": f"etcd-{n}", "job": "etcd"} for n in (1, 2, 3)]


@pytest.mark.shows("trial T2", "trial S5")
@pytest.mark.parametrize(
    ("second", "problem"),
    [
        pytest.param({"job": "kube-etcd"}, "differ in job (etcd, kube-etcd)", id="two jobs"),
        pytest.param({"cluster": "two"}, "differ in cluster (none, two)", id="two clusters"),
        pytest.param({"namespace": "a-user"}, "differ in namespace", id="a user's own target"),
        pytest.param({"prometheus_replica": "1"}, "prometheus_replica", id="two Prometheus"),
        pytest.param({"endpoint": "metrics"}, "differ in endpoint", id="two endpoints"),
        pytest.param({"instance": "host:2381"}, "2 series of the pod etcd-1", id="two ports"),
    ],
)
async def test_one_etcd_scraped_twice_and_two_etcds_are_ambiguous(
    second: dict[str, str], problem: str
) -> None:
    prometheus = CountingPrometheus([*THREE, *({**labels, **second} for labels in THREE)])
    assert problem in str(await ambiguity(prometheus, "up", budget=1))


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(THREE, id="three pods"),
        pytest.param([{"instance": f"localhost:{p}"} for p in (1, 2, 3)], id="three ports"),
        pytest.param([{"instance": "rh01", "pod": p} for p in "abc"], id="instance is the cluster"),
    ],
)
async def test_the_members_of_one_etcd_are_not_ambiguous(series: list[dict[str, str]]) -> None:
    assert await ambiguity(CountingPrometheus(series), "up", budget=1) is None
