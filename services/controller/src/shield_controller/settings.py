"""The controller's configuration file."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from shield_common.allowance import DEFAULT_MAX_RATE
from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, Link, Name, Rate
from shield_common.decision_feed import FreshnessSettings
from shield_common.listen import MetricsSettings
from shield_common.logs import LogSettings
from shield_common.store.settings import RedisSettings

# The name of a Kubernetes object, RFC 1123: it becomes a part of a URL's path.
OBJECT_NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$(?!\n)"
ObjectName = Annotated[str, Meta(pattern=OBJECT_NAME)]

MIN_INTERVAL: Final = 0.2  # seconds; below, the controller's own requests are a load
MAX_INTERVAL: Final = 60.0  # seconds; beyond, the evaluator would take the reports for missing
# What was opened, or begun, with the old values; see `shield_common.config.reload`.
RESTART_KEYS: Final = (
    "cluster",
    "redis",
    "kubernetes",
    "leader_election",
    "publish",
    "hold.enabled",
    "kueue",
    "interval",
    "metrics.listen",
    "log.format",
)


class KubernetesSettings(SettingsStruct, frozen=True, kw_only=True):
    """How to reach the API server.

    Attributes:
        kubeconfig: file with the address and credentials; by default the pod's service account, and
            for the commands of an operator ``KUBECONFIG`` or ``~/.kube/config``.
        context: its context; by default the current one.
    """

    kubeconfig: str | None = None
    context: str | None = None


class HoldSettings(SettingsStruct, frozen=True, kw_only=True):
    """What happens to held runs.

    Attributes:
        enabled: watch held runs and release them.
        max_age: age at which ``on_max_age`` applies.
        on_max_age: ``keep`` goes on holding; ``release`` starts the run although its tier may be
            closed; ``cancel`` cancels it.
    """

    enabled: bool = False
    max_age: Duration = Duration(24 * 3600)
    on_max_age: Literal["keep", "release", "cancel"] = "keep"

    def __post_init__(self) -> None:
        """Refuse an age that every run has."""
        if self.max_age <= 0:
            raise ValueError("max_age: must be above 0s")


class ReleaseSettings(SettingsStruct, frozen=True, kw_only=True):
    """How fast held runs are released.

    Attributes:
        max_rate: the most runs that are released, however much room there is. Keep it above the
            rate at which runs are created.
    """

    max_rate: Rate = Rate(DEFAULT_MAX_RATE)

    def __post_init__(self) -> None:
        """Refuse a rate at which nothing would ever start."""
        if self.max_rate <= 0:
            raise ValueError("max_rate: must be above 0")


class KueueSettings(SettingsStruct, frozen=True, kw_only=True):
    """Kueue's queues that stop while the shield is closed.

    Attributes:
        cluster_queues: ClusterQueues whose ``spec.stopPolicy`` is ``Hold`` while the default tier
            is closed.
    """

    cluster_queues: tuple[ObjectName, ...] = ()


class PublishSettings(SettingsStruct, frozen=True, kw_only=True):
    """Mirrors of the decision in Kubernetes.

    Attributes:
        kubernetes: mirror the decision into a ``Decision`` object.
        namespace: where the mirrors are; by default the pod's namespace.
        decision: name of the ``Decision`` object.
        config_map: name of a ConfigMap to mirror the decision into; none by default.
    """

    kubernetes: bool = False
    namespace: ObjectName | None = None
    decision: ObjectName = "decision"
    config_map: ObjectName | None = None

    @property
    def has_mirrors(self) -> bool:
        """Whether there is anything to mirror the decision into."""
        return self.kubernetes or self.config_map is not None


class LeaderElectionSettings(SettingsStruct, frozen=True, kw_only=True):
    """One active controller among several replicas.

    Attributes:
        enabled: hold a Lease, and act only while it is ours.
        namespace: where the Lease is; by default the pod's namespace.
        name: name of the Lease.
    """

    enabled: bool = False
    namespace: ObjectName | None = None
    name: ObjectName = "etcd-shield-controller"


class ControllerSettings(SettingsStruct, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        cluster: the cluster whose decisions are read, as in the evaluator's configuration.
        redis: where decisions come from.
        interval: time between two rounds of releases, and between two reports of held runs.
        kubernetes: how to reach the API server.
        hold: what happens to held runs.
        release: how fast they are released.
        kueue: Kueue's queues that stop while the shield is closed.
        publish: mirrors of the decision in Kubernetes.
        leader_election: one active controller among several replicas.
        freshness: when a decision no longer counts: nothing is then released, opened or mirrored.
        refresh: interval at which the decision is read besides the subscription.
        status_url: a page for people; by default the evaluator's ``status_url``. Events link to it.
        metrics: address of metrics and probes.
        log: level and format of the logs.
    """

    cluster: Name
    redis: RedisSettings
    interval: Duration = Duration(5)
    kubernetes: KubernetesSettings = KubernetesSettings()
    hold: HoldSettings = HoldSettings()
    release: ReleaseSettings = ReleaseSettings()
    kueue: KueueSettings = KueueSettings()
    publish: PublishSettings = PublishSettings()
    leader_election: LeaderElectionSettings = LeaderElectionSettings()
    freshness: FreshnessSettings = FreshnessSettings()
    refresh: Duration = Duration(5)
    status_url: Link | None = None
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @property
    def unset_namespaces(self) -> tuple[str, ...]:
        """The keys of namespaces that are needed and not set, so that the pod's is used."""
        unset = {
            "leader_election.namespace": self.leader_election.enabled
            and self.leader_election.namespace is None,
            "publish.namespace": self.publish.has_mirrors and self.publish.namespace is None,
        }
        return tuple(key for key, is_unset in unset.items() if is_unset)

    def __post_init__(self) -> None:
        """Reject values that cannot work together."""
        if not MIN_INTERVAL <= self.interval <= MAX_INTERVAL:
            bounds = f"at least {Duration(MIN_INTERVAL)} and at most {Duration(MAX_INTERVAL)}"
            raise ValueError(f"interval: must be {bounds}")
        if self.refresh <= 0:
            raise ValueError("refresh: must be above 0s")
