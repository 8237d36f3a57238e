"""The servers of the demo: each a process of its own, with its own configuration file."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.demo.plan import CLUSTER, DB_FILE, DB_IN_USE, QUERIES, TIER, Plan
from tests.demo.record import AdmitterTally, Record
from tests.rig.certificates import Authority
from tests.rig.errors import ServerFailedError
from tests.rig.etcd import EtcdServer
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
    """

    etcd: EtcdServer
    authority: Authority
    shield: Shield | None

    @property
    def servers(self) -> list[Server]:
        """Every server."""
        if self.shield is None:
            return [self.etcd]
        shield = self.shield
        return [self.etcd, shield.prometheus, shield.redis, shield.evaluator, *shield.admitters]

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


def require_programs(*, with_shield: bool) -> None:
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


def last_words(installation: Installation) -> str:
    """Return the end of the services' logs, for when something went wrong."""
    if installation.shield is None:
        return ""
    services = (installation.shield.evaluator, *installation.admitters)
    return "\n".join(f"{server.name}:\n{server.log_tail(_LAST_LINES)}" for server in services)


async def install(
    rig: Rig, record: Record, *, with_shield: bool, with_room: bool = True
) -> Installation:
    """Start everything and wait until each server is ready.

    A server's address is final once it is started, so each is configured after those it talks to.

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
    shield = None
    if with_shield:
        shield = await _shield(rig, record, etcd, authority, with_room=with_room)
    return Installation(etcd=etcd, authority=authority, shield=shield)


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
        Admitter(rig, _admitter_config(redis), authority.server(name), name)
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
    return {
        "cluster": CLUSTER,
        "interval": plan.evaluation_interval,
        "prometheus": {"urls": [prometheus.url]},
        "signals": [
            {"name": name, "query": query, "members": 1} for name, query in QUERIES.items()
        ],
        "tiers": {TIER: {DB_FILE: dict(threshold), DB_IN_USE: dict(threshold)}},
        "default_tier": TIER,
        "redis": {"url": redis.url},
        "log": dict(_LOG),
    }


def _admitter_config(redis: RedisServer) -> Config:
    return {
        "cluster": CLUSTER,
        "mode": "enforce",
        "default_tier": TIER,
        "redis": {"url": redis.url},
        "drain": "0s",  # nobody else has to notice that it ends
        "log": dict(_LOG),
    }
