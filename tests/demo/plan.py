"""The figures of the demo, and why they fit each other.

The shield must react before the quota is reached. Between etcd's file growing and an admitter
denying lie at most: etcd's commit (0.1 s), one scrape (1 s), one evaluation (0.5 s), the way
through Redis (some ms) and the runs in flight. At 100 runs/s of 19 KB etcd grows by some 1.9 MB/s
or 6 % of the quota, so a denial at 70 % ends the growth below 80 %. The rest is for a busy
machine: it may be 3 s slower than that before etcd is full. A real cluster fills in hours, not in
seconds, which is why real thresholds are higher.
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
        runs_per_second: How many PipelineRuns the flood creates, admitted or not.
        review_bytes: Size of each one's AdmissionReview.
        in_flight: How many creations may wait for their answer at a time.
        denied_before_cleaning: Denials that every admitter gives before the operator acts, so that
            the closed shield can be seen.
        kept_runs: The newest runs, which pruning leaves.
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
    runs_per_second: float = 100.0
    review_bytes: int = TYPICAL
    in_flight: int = 50
    denied_before_cleaning: int = 60
    kept_runs: int = 50
    encore: float = 20.0
    refused_writes: int = 20
    agreement_window: float = 1.0
    seconds: float = 80.0  # of the 90 that are promised; the rest is for ending the processes
