"""The servers of an act: evaluators, admitters, and what they stand between."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.rig.certificates import Authority
from tests.rig.clock import faketime_library
from tests.rig.etcd import MEBIBYTE, EtcdServer
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Config, JumpyAdmitter, JumpyEvaluator

SET = 0.5
RESET = 0.3
# A run is its object and six more of 19 KB over three seconds. etcd's pages and tree make 22 KiB of
# each. About 180 runs fit below the target of 64 MiB.
TARGET = 0.44
WRITES_PER_RUN = 6
WRITE_EVERY = 0.5
WRITE_BYTES = 22 * 1024
RUN_COST = (1 + WRITES_PER_RUN) * WRITE_BYTES
LAG_SECONDS = 2
GROWS_OVER_SECONDS = WRITES_PER_RUN * WRITE_EVERY
SPEND_SECONDS = 2
LEASE_SECONDS = 3
CLUSTER = "soak"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an act starts.

    Attributes:
        quota_bytes: etcd's `--quota-backend-bytes`.
        evaluators: How many.
        admitters: How many.
        evaluator: What the evaluators' configuration has besides.
        admitter: What the admitters' configuration has besides.
    """

    quota_bytes: int
    evaluators: int
    admitters: int
    evaluator: Config = field(default_factory=dict)
    admitter: Config = field(default_factory=dict)


# Half of the quota is left above `set`, so that a flood of 1 MB/s may go unseen for half a minute
# before etcd is full: no fault here lasts that long.
ROOM_PLAN = Plan(quota_bytes=64 * MEBIBYTE, evaluators=2, admitters=3)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Everything that runs."""

    authority: Authority
    etcd: EtcdServer
    prometheus: PrometheusServer
    redis: RedisServer
    evaluators: Sequence[JumpyEvaluator]
    admitters: Sequence[JumpyAdmitter]


async def start(rig: Rig, plan: Plan) -> Stack:
    """Start everything and wait until the first decision is there.

    Args:
        rig: Ends the servers at the latest.
        plan: What is started.

    Raises:
        ProgramMissingError: Something is not installed.
        ServerFailedError: Something did not start.
    """
    faketime_library()
    authority = Authority(rig.directory / "certificates")
    etcd = EtcdServer(rig, quota_bytes=plan.quota_bytes)
    await start_all(etcd)
    options = PrometheusOptions(jobs={"etcd": [etcd.target]}, scrape_interval="1s")
    prometheus = PrometheusServer(rig, options=options)
    redis = RedisServer(rig)
    await start_all(prometheus, redis)
    await prometheus.wait_scraped()
    evaluator_config, admitter_config = (
        _evaluator_config(prometheus, redis),
        _admitter_config(redis),
    )
    evaluators = [
        JumpyEvaluator(rig, evaluator_config | plan.evaluator, f"evaluator-{number}")
        for number in range(1, plan.evaluators + 1)
    ]
    admitters = [
        JumpyAdmitter(rig, admitter_config | plan.admitter, authority.server(name), name)
        for name in (f"admitter-{number}" for number in range(1, plan.admitters + 1))
    ]
    await start_all(*evaluators, *admitters)
    return Stack(
        authority=authority,
        etcd=etcd,
        prometheus=prometheus,
        redis=redis,
        evaluators=evaluators,
        admitters=admitters,
    )


def _evaluator_config(prometheus: PrometheusServer, redis: RedisServer) -> Config:
    quota = "(etcd_server_quota_backend_bytes > 0)"
    threshold = {
        "set": SET,
        "reset": RESET,
        "target": TARGET,
        "run_cost": f"{RUN_COST // 1024}Ki",
        "lag": f"{LAG_SECONDS}s",
        "grows_over": f"{GROWS_OVER_SECONDS:g}s",
        "spend": f"{SPEND_SECONDS}s",
    }
    return {
        "cluster": CLUSTER,
        "interval": "1s",
        "lease_ttl": f"{LEASE_SECONDS}s",
        "prometheus": {"urls": [prometheus.url]},
        "signals": [
            {
                "name": "db-file",
                "query": f"etcd_mvcc_db_total_size_in_bytes / {quota}",
                "members": 1,
            },
            {
                "name": "db-in-use",
                "query": f"etcd_mvcc_db_total_size_in_use_in_bytes / {quota}",
                "members": 1,
            },
        ],
        "tiers": {"standard": {"db-file": threshold, "db-in-use": dict(threshold)}},
        "redis": {"url": redis.url},
        "log": {"format": "json"},
    }


def _admitter_config(redis: RedisServer) -> Config:
    return {
        "cluster": CLUSTER,
        "redis": {"url": redis.url},
        "refresh": "1s",
        # An admitter that starts while Redis is away answers 503 rather than by `on_unknown`:
        # the soak is about decisions, and no fault here lasts as long as these.
        "startup_grace": "60s",
        "drain": "1s",
        "log": {"format": "json"},
    }
