"""Find out which kind of installation a Prometheus scrapes, to name the right documentation.

Used by ``shield-evaluator check`` only. A guess from labels: it decides nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_evaluator.prometheus.members import CLUSTER_LABELS, ETCD_LABELS
from shield_evaluator.prometheus.response import PrometheusError

if TYPE_CHECKING:
    from shield_evaluator.prometheus.source import SignalClient

DOCS: Final = "docs/metrics-sources.md"
ETCD_METRIC: Final = "etcd_mvcc_db_total_size_in_bytes"
APISERVER_METRICS: Final = "apiserver_storage_size_bytes|apiserver_storage_db_total_size_in_bytes"
# Labels of how a target was scraped and stored. Series of one etcd that differ in one of them were
# scraped twice, by two jobs, Services, ports or Prometheus servers.
SCRAPE_LABELS: Final = (
    "job",
    "service",
    "endpoint",
    "prometheus",
    "prometheus_replica",
    "replica",
    "receive",
)

_HYPERSHIFT: Final = re.compile(r"^(clusters|ocm)-.+")
_SECTIONS: Final = {
    "kubeadm and kind": "kubeadm-and-kind",
    "kube-prometheus-stack": "kube-prometheus-stack",
    "OpenShift": "openshift",
    "RKE2 and k3s": "rke2-and-k3s",
    "EKS, GKE and AKS": "eks-gke-and-aks",
    "HyperShift": "hypershift",
    "Several clusters in one Thanos": "several-clusters-in-one-thanos",
    "VictoriaMetrics": "victoriametrics",
    "No metrics at all": "no-metrics-at-all",
}


@dataclass(frozen=True, slots=True)
class EtcdSeries:
    """The label values of etcd's series, as far as they tell installations apart.

    Attributes:
        namespaces: of the scraped targets; empty text for series without the label.
        jobs: the scrape jobs.
        clusters: values of the label that tells clusters apart, if there is more than one.
        versions: Kubernetes' versions.
        apiserver: whether API servers export the size of etcd.
        victoria: whether VictoriaMetrics stores the series.
    """

    namespaces: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    clusters: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    apiserver: bool = False
    victoria: bool = False


def section_of(series: EtcdSeries) -> str:
    """Return the title of the section in `DOCS` that applies: the first that fits."""
    has_etcd = bool(series.jobs)
    distribution = " ".join((*series.jobs, *series.versions))
    fits = {
        "EKS, GKE and AKS": not has_etcd and series.apiserver,
        "No metrics at all": not has_etcd,
        "Several clusters in one Thanos": len(series.clusters) > 1,
        "HyperShift": any(_HYPERSHIFT.match(namespace) for namespace in series.namespaces),
        "OpenShift": "openshift-etcd" in series.namespaces,
        "RKE2 and k3s": re.search(r"k3s|rke2", distribution) is not None,
        "VictoriaMetrics": series.victoria,
        "kube-prometheus-stack": "kube-etcd" in series.jobs,
        "kubeadm and kind": True,
    }
    return next(section for section, applies in fits.items() if applies)


def link_to(section: str) -> str:
    """Return the documentation's path with the anchor of a section."""
    return f"{DOCS}#{_SECTIONS[section]}"


async def find_section(client: SignalClient, *, budget: float) -> str | None:
    """Return the title of the section that applies to what a Prometheus scrapes.

    Args:
        client: the Prometheus.
        budget: seconds for each of a few queries.

    Returns:
        None if it does not answer.
    """

    async def values(label: str, metric: str) -> frozenset[str]:
        expression = f'count by ({label}) ({{__name__=~"{metric}"}})'
        answer = await client.query(expression, budget=budget, member_label=label)
        return frozenset(sample.member for sample in answer.samples)

    try:
        clusters = [await values(label, ETCD_METRIC) for label in CLUSTER_LABELS]
        return section_of(
            EtcdSeries(
                namespaces=await values("namespace", ETCD_METRIC),
                jobs=await values("job", ETCD_METRIC),
                clusters=max(clusters, key=len),
                versions=await values("git_version", "kubernetes_build_info"),
                apiserver=bool(await values("job", APISERVER_METRICS)),
                victoria=bool(await values("job", "vm_app_version")),
            )
        )
    except PrometheusError:
        return None


async def ambiguity(client: SignalClient, expression: str, *, budget: float) -> str | None:
    """Return why a query may select more than one etcd, or one etcd twice; None if it does not.

    For queries whose signal does not state its members.

    Args:
        client: the Prometheus.
        expression: the query.
        budget: seconds for each of a few queries.

    Raises:
        PrometheusError: it does not answer.
    """
    for label in (*ETCD_LABELS, *SCRAPE_LABELS):
        counts = await _counts(client, expression, label, budget)
        if len(counts) > 1:
            listed = ", ".join(value or "none" for value in sorted(counts)[:5])
            return (
                f"the query selects series that differ in {label} ({listed}):"
                " narrow it to one etcd, scraped once, or set members"
            )
    pods = await _counts(client, expression, "pod", budget)
    twice = next((pod for pod, count in sorted(pods.items()) if pod and count > 1), None)
    if twice is not None:
        return (
            f"the query selects {pods[twice]:g} series of the pod {twice}:"
            " narrow it to one of them, or set members"
        )
    return None


async def _counts(
    client: SignalClient, expression: str, label: str, budget: float
) -> dict[str, float]:
    """Return how many series of a query have each value of a label; empty text is none."""
    answer = await client.query(
        f"count by ({label}) (\n{expression}\n)", budget=budget, member_label=label
    )
    return {sample.member: sample.value for sample in answer.samples}
