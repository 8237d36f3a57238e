"""Which section of docs/metrics-sources.md fits what a Prometheus scrapes (T7)."""

import re
from pathlib import Path

import pytest

from shield_evaluator.prometheus.environment import DOCS, EtcdSeries, link_to, section_of

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
