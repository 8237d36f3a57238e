"""The figures of the demo, and why they fit each other.

Runs do what real runs do: an admitted PipelineRun of 19 KB goes on to write twelve more objects of
that size, one a second, so it costs etcd 13 times what the webhook saw. 9 runs/s arrive. Room for
about 75 of them is below the target, and by the time that a latch at 70 % sees the growth, those
that were admitted before have filled etcd: that is what `--without-room` shows.

With room, runs are let in as long as what is admitted still fits, counted before it is written. At
the end of the burst etcd stands just below the target, and no latch was set. A real cluster fills
in hours, not in seconds, which is why real thresholds are higher and times longer.
"""

from dataclasses import dataclass

from tests.rig.etcd import MEBIBYTE
from tests.rig.reviews import TYPICAL

CLUSTER = "demo"
TIER = "standard"
NAMESPACE = "team-orders"
# Where the API server keeps the runs of that namespace.
RUNS_PREFIX = f"/registry/tekton.dev/pipelineruns/{NAMESPACE}/"
# What a node renews all the time.
LEASE_KEY = "/registry/leases/kube-node-lease/node-1"

DB_FILE = "db-file"
DB_IN_USE = "db-in-use"
# Each a ratio of the member's own quota.
QUERIES = {
    DB_FILE: "etcd_mvcc_db_total_size_in_bytes / (etcd_server_quota_backend_bytes > 0)",
    DB_IN_USE: "etcd_mvcc_db_total_size_in_use_in_bytes / (etcd_server_quota_backend_bytes > 0)",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is started, and how hard it is pressed.

    Attributes:
        quota_bytes: etcd's `--quota-backend-bytes`.
        admitters: How many.
        scrape_interval: Of Prometheus, as its configuration writes it.
        evaluation_interval: Of the evaluator, as its configuration writes it.
        warn_at: Share of the quota from which runs are admitted with a warning.
        deny_from: Share of the quota from which runs are denied (`set`).
        admit_below: Share of the quota below which they are admitted again (`reset`).
        target: Share of the quota that admitted runs may fill etcd up to.
        run_cost: Bytes that one run adds to etcd, as the evaluator's configuration writes it: 13
            objects of 19 KB in pages of 4 KiB, with what etcd's tree adds.
        lag: Time in which nothing of a new run is in a sample: a scrape and an evaluation.
        grows_over: Time over which a run writes.
        spend: Time over which room is handed out.
        writes_per_run: Objects that an admitted run writes after it was created.
        write_every: Seconds between two of them.
        waiting_clients: Clients that wait for the re-opening.
        runs_per_second: How many PipelineRuns the flood creates, admitted or not.
        review_bytes: Size of each one's AdmissionReview.
        in_flight: How many creations may wait for their answer at a time.
        denied_before_cleaning: Denials that every admitter gives before the operator acts, so that
            the closed shield can be seen.
        encore: For how many seconds the flood goes on after the re-admission, unless the shield
            closes again before.
        refused_writes: Without the shield: writes that etcd refuses before the demo ends.
        agreement_window: Seconds for which two admitters may differ around a change.
        seconds: After how many seconds the demo ends the story, finished or not.
    """

    quota_bytes: int = 32 * MEBIBYTE
    admitters: int = 3
    scrape_interval: str = "1s"
    evaluation_interval: str = "500ms"
    warn_at: float = 0.55
    deny_from: float = 0.70
    admit_below: float = 0.40
    target: float = 0.68
    run_cost: str = "288Ki"
    lag: str = "2s"
    grows_over: str = "12s"
    spend: str = "3s"
    writes_per_run: int = 12
    write_every: float = 1.0
    waiting_clients: int = 200
    runs_per_second: float = 9.0
    review_bytes: int = TYPICAL
    in_flight: int = 50
    denied_before_cleaning: int = 10
    encore: float = 15.0
    refused_writes: int = 20
    agreement_window: float = 1.0
    seconds: float = 80.0  # of the 90 that are promised; the rest is for ending the processes


@dataclass(frozen=True, kw_only=True)
class HoldingPlan(Plan):
    """The same flood through an API server, with fewer runs, each of which starts in the end.

    What waits is in etcd too, and not reserved for: `held_bytes` each. So the latches are further
    above the target than without holding, and the demo promises `target` and what was held.

    Attributes:
        runs: How many the flood creates.
        held_bytes: What one held run adds to etcd: its object of 19 KB and the API server's
            bookkeeping in it, in pages of 4 KiB, twice while it is released, and two events.
        max_held: How many may be held at a time.
        release_rate: How many are released at most, as the controller's configuration writes it.
        prune_after: Seconds after its end in which a run is pruned.
        prune_every: Seconds between two prunings, each of which compacts etcd.
    """

    deny_from: float = 0.85
    admit_below: float = 0.70
    spend: str = "1s"
    runs: int = 150
    held_bytes: int = 32 * 1024
    max_held: int = 500
    release_rate: str = "20/s"
    prune_after: float = 2.0
    prune_every: float = 1.0
    seconds: float = 300.0  # 80 on an idle machine
