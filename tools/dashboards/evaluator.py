"""Evaluator and etcd: does the evaluator see and publish, and how does etcd itself do."""

from tools.dashboards.colours import GREEN, RED, YES_IS_GOOD
from tools.dashboards.etcd import HEALTH, SPACE
from tools.dashboards.grafana import OURS, REPLICA, Dashboard, Panel, Query, Row, Variable

_HERE = f"etcd_shield_lease_held{{{OURS}}}"  # only evaluators have it


_ROOM = Row(
    title="Room",
    panels=(
        Panel(
            title="Room, in runs",
            text="How many more runs fit below a tier's target, after what admitted runs are still "
            "going to write. Near 0 runs are paced; at 0 the tier closes.",
            queries=[
                Query(expr=f"etcd_shield_room_runs{{{OURS}}} >= 0", legend="{{cluster}} {{tier}}")
            ],
            width=8,
        ),
        Panel(
            title="Reserved",
            text="Bytes that admitted runs are still going to write.",
            queries=[
                Query(
                    expr=f"etcd_shield_reserved_bytes{{{OURS}}} >= 0",
                    legend="{{cluster}} {{tier}}",
                )
            ],
            unit="bytes",
            width=8,
        ),
        Panel(
            title="Above the highest target",
            text="Bytes that etcd holds beyond what admitted runs may fill. Above 0, run_cost is "
            "too low or something else writes.",
            queries=[Query(expr=f"etcd_shield_overdraft_bytes{{{OURS}}}", legend="{{instance}}")],
            unit="bytes",
            width=8,
        ),
        Panel(
            title="Cost of a run, against run_cost",
            text="By which factor runs cost more than run_cost says. Above 1.2 for long: ask "
            "shield-evaluator calibrate for a better one.",
            queries=[Query(expr=f"etcd_shield_run_cost_factor{{{OURS}}}", legend="{{signal}}")],
            width=8,
        ),
    ),
)

_CYCLE = Row(
    title="Evaluator",
    panels=(
        Panel(
            title="Duration of a cycle",
            text="From the first query to the publication. It should stay well below the interval "
            "(5 s); most of it is waiting for Prometheus.",
            queries=[
                Query(
                    expr=f"histogram_quantile({quantile}, sum by (le) (rate("
                    f"etcd_shield_evaluation_duration_seconds_bucket{{{OURS}}}"
                    "[$__rate_interval])))",
                    legend=f"{quantile:.0%}",
                )
                for quantile in (0.5, 0.99)
            ],
            unit="s",
        ),
        Panel(
            title="Cycles, by how they ended",
            text="Published is normal for the writer, standby for every other evaluator. "
            "Unpublished: Redis did not take it. Skipped: the cycle before took too long.",
            queries=[
                Query(
                    expr="sum by (result) (rate(etcd_shield_evaluations_total"
                    f"{{{OURS}}}[$__rate_interval]))",
                    legend="{{result}}",
                ),
                Query(
                    expr=f"sum(rate(etcd_shield_evaluation_overruns_total{{{OURS}}}"
                    "[$__rate_interval]))",
                    legend="skipped",
                ),
            ],
            unit="ops",
        ),
        Panel(
            title="Prometheus errors, by class",
            text="Queries without a usable answer. The latches hold meanwhile; after blind_after "
            "the signal is blind.",
            queries=[
                Query(
                    expr="sum by (class) (rate(etcd_shield_prometheus_errors_total"
                    f"{{{OURS}}}[$__rate_interval]))",
                    legend="{{class}}",
                )
            ],
            unit="ops",
        ),
        Panel(
            title="Publications, by Redis' answer",
            text="Fenced and lease_lost: another evaluator has taken over. Error: Redis did not "
            "answer.",
            queries=[
                Query(
                    expr="sum by (result) (rate(etcd_shield_publish_total"
                    f"{{{OURS}}}[$__rate_interval]))",
                    legend="{{result}}",
                )
            ],
            unit="ops",
        ),
        Panel(
            title="Lease",
            text="Which evaluator is the writer. Never two at a time; none for at most one lease "
            "time.",
            kind="state-timeline",
            queries=[Query(expr=_HERE, legend="{{instance}}")],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
        ),
        Panel(
            title="Since the last cycle that evaluated",
            text="One interval is normal.",
            queries=[
                Query(
                    expr=f"time() - (etcd_shield_last_evaluation_timestamp_seconds{{{OURS}}} > 0)",
                    legend="{{instance}}",
                )
            ],
            unit="s",
            lowest=None,
        ),
        Panel(
            title="Memory",
            text="Resident memory of the evaluators.",
            queries=[
                Query(
                    expr=f"process_resident_memory_bytes{{{OURS}}} and {REPLICA} {_HERE}",
                    legend="{{instance}}",
                )
            ],
            unit="bytes",
            width=8,
        ),
        Panel(
            title="CPU",
            text="Cores in use by the evaluators.",
            unit="suffix: cores",
            queries=[
                Query(
                    expr=f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])"
                    f" and {REPLICA} {_HERE}",
                    legend="{{instance}}",
                )
            ],
            width=8,
        ),
        Panel(
            title="Reloads and crashes",
            text="Configuration files that were read again, and background tasks that crashed and "
            "were started again (a bug: see the log).",
            queries=[
                Query(
                    expr=f"sum by (result) (etcd_shield_config_reloads_total{{{OURS}}}"
                    f" and {REPLICA} {_HERE})",
                    legend="configuration: {{result}}",
                ),
                Query(
                    expr=f"sum by (task) (etcd_shield_task_crashes_total{{{OURS}}}"
                    f" and {REPLICA} {_HERE})",
                    legend="crash: {{task}}",
                ),
            ],
            width=8,
        ),
    ),
)

EVALUATOR = Dashboard(
    uid="etcd-shield-evaluator",
    title="etcd-shield / Evaluator and etcd",
    text="Does the evaluator see and publish, and how does etcd itself do.",
    rows=(_ROOM, _CYCLE, SPACE, HEALTH),
    variables=(
        Variable(
            name="etcd_job",
            label="etcd job",
            values='label_values(etcd_server_has_leader{cluster=~"$cluster"}, job)',
        ),
    ),
)
