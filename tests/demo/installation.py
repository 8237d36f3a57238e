"""The servers of the demo: each a process of its own, with its own configuration file."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.demo.holding.installation import (
    CONTROLLER_USER,
    Cluster,
    start_api_server,
    start_cluster,
)
from tests.demo.plan import CLUSTER, DB_FILE, DB_IN_USE, QUERIES, TIER, HoldingPlan, Plan
from tests.demo.record import AdmitterTally, Record
from tests.demo.runs import run_of
from tests.rig.certificates import Authority
from tests.rig.errors import ServerFailedError
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes import built_apiserver, built_helm
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.server import Server, program, start_all
from tests.rig.services import Admitter, Config, Evaluator, service_script

_LAST_LINES = 5
_LOG = {"level": "info", "format": "json"}


@dataclass(frozen=True, kw_only=True)
class Shield:
    """What keeps etcd from filling up."""

    prometheus: PrometheusServer
    redis: RedisServer
    evaluator: Evaluator
    admitters: Sequence[Admitter]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """etcd, and the shield in front of it unless the demo does without.

    Attributes:
        etcd: With a small quota.
        authority: Who issued the admitters' certificates.
        shield: None for the flood without it.
        cluster: The API server and the controller; None unless runs are held.
    """

    etcd: EtcdServer
    authority: Authority
    shield: Shield | None
    cluster: Cluster | None = None

    @property
    def servers(self) -> list[Server]:
        """Every server."""
        if self.shield is None:
            return [self.etcd]
        shield = self.shield
        servers = [self.etcd, shield.prometheus, shield.redis, shield.evaluator, *shield.admitters]
        if self.cluster is not None:
            servers += [self.cluster.server, self.cluster.controller]
        return servers

    @property
    def admitters(self) -> Sequence[Admitter]:
        """The admitters; none without the shield."""
        return self.shield.admitters if self.shield else ()

    def raise_if_ended(self) -> None:
        """Check that every process still runs.

        Raises:
            ServerFailedError: One does not; the message ends with the tail of its log.
        """
        for server in self.servers:
            if not server.alive:
                status = server.child.exit_status
                tail = server.log_tail()
                raise ServerFailedError(f"{server.name} ended with status {status}:\n{tail}")


def require_programs(*, with_shield: bool, with_holding: bool = False) -> None:
    """Check that everything is installed before anything is started.

    Raises:
        ProgramMissingError: Something is not.
    """
    program("etcd")
    if with_shield:
        program("prometheus")
        program("redis-server")
        service_script("shield-evaluator")
        service_script("shield-admitter")
    if with_holding:
        built_apiserver()
        built_helm()
        service_script("shield-controller")


def last_words(installation: Installation) -> str:
    """Return the end of the services' logs, for when something went wrong."""
    if installation.shield is None:
        return ""
    services: list[Server] = [installation.shield.evaluator, *installation.admitters]
    if installation.cluster is not None:
        services.append(installation.cluster.controller)
    return "\n".join(f"{server.name}:\n{server.log_tail(_LAST_LINES)}" for server in services)


async def install(
    rig: Rig, record: Record, *, with_shield: bool, with_room: bool = True
) -> Installation:
    """Start everything and wait until each server is ready.

    A server's address is final once it is started, so each is configured after those it talks to.
    With a plan for holding there are an API server and the controller as well.

    Args:
        rig: Ends the servers at the latest.
        record: Told of every server that is up.
        with_shield: Whether there is a shield.
        with_room: Whether it counts what admitted runs are still going to write.

    Raises:
        ServerFailedError: One did not start.
    """
    authority = Authority(rig.directory / "certificates")
    etcd = EtcdServer(rig, quota_bytes=record.plan.quota_bytes)
    await _started(record, etcd)
    if not with_shield:
        return Installation(etcd=etcd, authority=authority, shield=None)
    plan = record.plan
    if not isinstance(plan, HoldingPlan):
        shield = await _shield(rig, record, etcd, authority, with_room=with_room)
        return Installation(etcd=etcd, authority=authority, shield=shield)
    server = await start_api_server(rig, etcd)
    record.tell(f"{server.name} is up (pid {server.pid}), with etcd as its storage")
    shield = await _shield(rig, record, etcd, authority, with_room=with_room)
    cluster = await start_cluster(
        rig,
        server,
        admitters=shield.admitters,
        ca_file=authority.ca_file,
        controller_config=_controller_config(plan, shield.redis),
        example=run_of(0, plan.review_bytes),
    )
    record.tell(f"{cluster.controller.name} is up (pid {cluster.controller.pid})")
    return Installation(etcd=etcd, authority=authority, shield=shield, cluster=cluster)


async def _shield(
    rig: Rig, record: Record, etcd: EtcdServer, authority: Authority, *, with_room: bool
) -> Shield:
    plan = record.plan
    options = PrometheusOptions(jobs={"etcd": [etcd.target]}, scrape_interval=plan.scrape_interval)
    prometheus = PrometheusServer(rig, options=options)
    redis = RedisServer(rig)
    await _started(record, prometheus, redis)
    evaluator = Evaluator(rig, _evaluator_config(plan, prometheus, redis, with_room=with_room))
    admitters = [
        Admitter(rig, _admitter_config(plan, redis), authority.server(name), name)
        for name in (f"admitter-{number}" for number in range(1, plan.admitters + 1))
    ]
    await _started(record, evaluator, *admitters)
    record.admitters = {admitter.name: AdmitterTally() for admitter in admitters}
    record.tell("waiting for the first sample of etcd in Prometheus")
    await prometheus.wait_scraped()
    return Shield(prometheus=prometheus, redis=redis, evaluator=evaluator, admitters=admitters)


async def _started(record: Record, *servers: Server) -> None:
    await start_all(*servers)
    for server in servers:
        record.tell(f"{server.name} is up (pid {server.pid})")


def _evaluator_config(
    plan: Plan, prometheus: PrometheusServer, redis: RedisServer, *, with_room: bool
) -> Config:
    threshold: Config = {"warn": plan.warn_at, "set": plan.deny_from, "reset": plan.admit_below}
    if with_room:
        threshold |= {
            "run_cost": plan.run_cost,
            "target": plan.target,
            "lag": plan.lag,
            "grows_over": plan.grows_over,
            "spend": plan.spend,
        }
    hold = {"enabled": True, "max_runs": plan.max_held} if isinstance(plan, HoldingPlan) else {}
    return {
        "cluster": CLUSTER,
        "interval": plan.evaluation_interval,
        "prometheus": {"urls": [prometheus.url]},
        "signals": [
            {"name": name, "query": query, "members": 1} for name, query in QUERIES.items()
        ],
        "tiers": {TIER: {DB_FILE: dict(threshold), DB_IN_USE: dict(threshold)}},
        "default_tier": TIER,
        "hold": hold,
        "redis": {"url": redis.url},
        "log": dict(_LOG),
    }


def _controller_config(plan: HoldingPlan, redis: RedisServer) -> Config:
    return {
        "cluster": CLUSTER,
        "interval": plan.evaluation_interval,
        "hold": {"enabled": True},
        "release": {"max_rate": plan.release_rate},
        "redis": {"url": redis.url},
        "log": dict(_LOG),
    }


def _admitter_config(plan: Plan, redis: RedisServer) -> Config:
    hold = {"enabled": True, "controllers": [CONTROLLER_USER]}
    return {
        "hold": hold if isinstance(plan, HoldingPlan) else {},
        "cluster": CLUSTER,
        "mode": "enforce",
        "default_tier": TIER,
        "redis": {"url": redis.url},
        "drain": "0s",  # nobody else has to notice that it ends
        "log": dict(_LOG),
    }
