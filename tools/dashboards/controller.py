"""Controller: which runs are held, how they are released, and whether the API server answers."""

from tools.dashboards.colours import GREEN, RED, YES_IS_GOOD
from tools.dashboards.grafana import OURS, REPLICA, Dashboard, Panel, Query, Row

_RELEASED = "etcd_shield_released_total"
_REQUESTS = "etcd_shield_api_requests_total"
_JOBS = f"etcd_shield_leader{{{OURS}}}"

_QUEUE = Row(
    title="Held runs",
    panels=(
        Panel(
            title="Held runs, by tier",
            text="Runs that wait for etcd to have room. `hold.max_runs` of the evaluator is the "
            "most that are held; beyond it runs are denied.",
            queries=[
                Query(
                    expr=f"max by (cluster, tier) (etcd_shield_held_runs{{{OURS}}})",
                    legend="{{cluster}} {{tier}}",
                )
            ],
            stack=True,
        ),
        Panel(
            title="Age of the oldest held run, by tier",
            text="How long the run has waited that has waited longest. EtcdShieldHeldTooLong fires "
            "above one hour.",
            queries=[
                Query(
                    expr=f"max by (cluster, tier) (etcd_shield_oldest_held_seconds{{{OURS}}})",
                    legend="{{cluster}} {{tier}}",
                )
            ],
            unit="s",
        ),
        Panel(
            title="Releases, by result",
            text="Attempts a second. `not_held` and `gone`: the owner was faster. `stuck`: "
            "refused, usually by Tekton's webhook, and tried again later.",
            queries=[
                Query(
                    expr=f"sum by (cluster, tier, result) (rate({_RELEASED}{{{OURS}}}"
                    "[$__rate_interval])) > 0",
                    legend="{{cluster}} {{tier}}: {{result}}",
                )
            ],
            unit="ops",
        ),
        Panel(
            title="Stuck runs",
            text="Held runs whose release was refused. Their events say why.",
            queries=[
                Query(
                    expr=f"max by (cluster) (etcd_shield_stuck_runs{{{OURS}}})",
                    legend="{{cluster}}",
                )
            ],
            steps=((None, GREEN), (1, RED)),
        ),
    ),
)

_STATE = Row(
    title="What the controller does",
    panels=(
        Panel(
            title="Leader",
            text="Which replica acts; the others stand by.",
            kind="state-timeline",
            queries=[
                Query(expr=f"etcd_shield_leader{{{OURS}}}", legend="{{cluster}} {{instance}}")
            ],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
            width=8,
        ),
        Panel(
            title="Held runs are watched",
            text="Whether a replica knows all held runs. Empty where holding is off.",
            kind="state-timeline",
            queries=[
                Query(
                    expr=f"etcd_shield_held_runs_watched{{{OURS}}}",
                    legend="{{cluster}} {{instance}}",
                )
            ],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
            width=8,
        ),
        Panel(
            title="Decision in force",
            text="Whether a replica follows a decision. Without one nothing is released, opened or "
            "mirrored.",
            kind="state-timeline",
            queries=[
                Query(
                    expr=f"etcd_shield_decision_in_force{{{OURS}}}",
                    legend="{{cluster}} {{instance}}",
                )
            ],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
            width=8,
        ),
        Panel(
            title="Mirrors of the decision, by result",
            text="Writes a second of the Decision object and the ConfigMap. `not_found`: the "
            "definition is missing. `forbidden`: the role lacks a right.",
            queries=[
                Query(
                    expr="sum by (cluster, target, result) (rate("
                    f"etcd_shield_decision_published_total{{{OURS}}}[$__rate_interval])) > 0",
                    legend="{{cluster}} {{target}}: {{result}}",
                )
            ],
            unit="ops",
        ),
        Panel(
            title="ClusterQueues that the controller holds stopped",
            text="1 while the controller holds the queue stopped, because the default tier is "
            "closed.",
            queries=[
                Query(
                    expr=f"max by (cluster, cluster_queue) (etcd_shield_kueue_stopped{{{OURS}}})",
                    legend="{{cluster}} {{cluster_queue}}",
                )
            ],
        ),
    ),
)

_PROCESS = Row(
    title="Process",
    panels=(
        Panel(
            title="Requests to the API server, by verb and code",
            text="Requests a second. `none` is no answer, 429 an overloaded API server, 422 a run "
            "that its owner changed.",
            queries=[
                Query(
                    expr=f"sum by (cluster, verb, code) (rate({_REQUESTS}{{{OURS}}}"
                    "[$__rate_interval])) > 0",
                    legend="{{cluster}} {{verb}} {{code}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            title="Memory",
            text="Resident memory, by replica. Only the metadata of held runs is kept.",
            queries=[
                Query(
                    expr=f"process_resident_memory_bytes{{{OURS}}} and {REPLICA} {_JOBS}",
                    legend="{{cluster}} {{instance}}",
                )
            ],
            unit="bytes",
        ),
    ),
)

CONTROLLER = Dashboard(
    uid="etcd-shield-controller",
    title="etcd-shield / Controller",
    text="Which runs are held, how they are released, and whether the API server answers.",
    rows=(_QUEUE, _STATE, _PROCESS),
)
