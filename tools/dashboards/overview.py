"""Overview: what is admitted now, why, and for how long it may go on."""

from tools.dashboards.colours import ADMITS, BLUE, GREEN, RED, YELLOW, YES_IS_BAD
from tools.dashboards.grafana import OURS, REPLICA, Dashboard, Panel, Query, Row, Variable

_HOLDER = f"etcd_shield_lease_held{{{OURS}}}"
_ADMITTER = f"etcd_shield_decision_age_seconds{{{OURS}}}"

_NOW = Row(
    title="Now",
    panels=(
        Panel(
            title="Default tier",
            text="The answer to a request of the default tier. Red while any replica denies it.",
            kind="stat",
            queries=[Query(expr=f"min(etcd_shield_allow{{{OURS}}} >= 0)")],
            mappings=ADMITS,
            steps=((None, RED), (1, GREEN)),
            width=5,
            height=4,
        ),
        Panel(
            title="Worst usage",
            text="The highest value of any signal on any etcd member, as a share of its quota. "
            "Colours are the usual defaults; the thresholds in force are below.",
            kind="gauge",
            queries=[Query(expr=f"max(etcd_shield_signal_value{{{OURS}}})")],
            unit="percentunit",
            steps=((None, GREEN), (0.8, YELLOW), (0.9, RED)),
            highest=1,
            width=4,
            height=4,
        ),
        Panel(
            title="Time to full",
            text="When usage reaches the quota if it goes on as it has since its last drop.",
            kind="stat",
            queries=[Query(expr=f"min(etcd_shield_time_to_full_seconds{{{OURS}}} < Inf)")],
            unit="dtdurations",
            steps=((None, RED), (3600, YELLOW), (86400, GREEN)),
            no_value="not growing",
            width=5,
            height=4,
        ),
        Panel(
            title="Blind signals",
            text="Signals without a usable sample for longer than blind_after. While one is blind, "
            "on_blind speaks for it and not etcd.",
            kind="stat",
            queries=[
                Query(
                    expr="sum(max by (cluster, namespace, signal) "
                    f'(etcd_shield_signal_state{{{OURS}, state="blind"}}))'
                )
            ],
            steps=((None, GREEN), (1, RED)),
            width=3,
            height=4,
        ),
        Panel(
            title="Overridden tiers",
            text="Tiers for which an operator speaks. Who and why: the evaluator's status page.",
            kind="stat",
            queries=[
                Query(
                    expr="sum(max by (cluster, namespace, tier) "
                    f"(etcd_shield_override_active{{{OURS}}}))"
                )
            ],
            steps=((None, GREEN), (1, BLUE)),
            width=4,
            height=4,
        ),
        Panel(
            title="Admitters",
            text="Admitters that Prometheus scrapes.",
            kind="stat",
            queries=[Query(expr=f"count({_ADMITTER})", legend="admitters")],
            steps=((None, RED), (1, YELLOW), (2, GREEN)),
            width=3,
            height=4,
        ),
    ),
)

_BITS = Row(
    title="Admitting or denying",
    panels=(
        Panel(
            title="Decided, by tier",
            text="What the evaluator decided for each tier. Vertical lines mark changes.",
            kind="state-timeline",
            queries=[
                Query(
                    expr="max by (cluster, tier) "
                    f"((etcd_shield_tier_allow{{{OURS}}} >= 0) and {REPLICA} {_HOLDER})",
                    legend="{{cluster}} {{tier}}",
                )
            ],
            mappings=ADMITS,
            steps=((None, RED), (1, GREEN)),
        ),
        Panel(
            title="Answered, by admitter",
            text="What each admitter tells the default tier. Rows that differ for more than a "
            "moment: an admitter does not hear the decisions.",
            kind="state-timeline",
            queries=[
                Query(
                    expr=f"etcd_shield_allow{{{OURS}}} and {REPLICA} {_ADMITTER}",
                    legend="{{instance}}",
                )
            ],
            mappings=ADMITS,
            steps=((None, RED), (1, GREEN)),
        ),
        Panel(
            title="Requests",
            text="Judged requests per second, by verdict. Warned and audited ones were admitted "
            "only because the tier's mode does not enforce.",
            queries=[
                Query(
                    expr="sum by (verdict) (rate(etcd_shield_admission_requests_total"
                    f'{{{OURS}, verdict!="rejected"}}[$__rate_interval]))',
                    legend="{{verdict}}",
                )
            ],
            unit="reqps",
            stack=True,
        ),
        Panel(
            title="Denied requests, by tier",
            text="Who is hit. A denied request of a controller with retry_after comes again, so "
            "this counts attempts, not runs.",
            queries=[
                Query(
                    expr="sum by (tier) (rate(etcd_shield_admission_requests_total"
                    f'{{{OURS}, verdict="denied"}}[$__rate_interval]))',
                    legend="{{tier}}",
                )
            ],
            unit="reqps",
            stack=True,
        ),
    ),
)

_USAGE = Row(
    title="etcd's usage",
    panels=(
        Panel(
            title="$signal",
            text="Each member's value against the thresholds: a tier is denied at or above its set "
            "line and admitted again once the worst member is below its reset line.",
            queries=[
                Query(
                    expr="max by (cluster, member) "
                    f'(etcd_shield_signal_value{{{OURS}, signal=~"$signal"}})',
                    legend="{{cluster}} {{member}}",
                ),
                Query(
                    expr="max by (tier) "
                    f'(etcd_shield_threshold{{{OURS}, signal=~"$signal", bound="set"}})',
                    legend="{{tier}} set",
                ),
                Query(
                    expr="max by (tier) "
                    f'(etcd_shield_threshold{{{OURS}, signal=~"$signal", bound="reset"}})',
                    legend="{{tier}} reset",
                ),
            ],
            unit="percentunit",
            repeat="signal",
            height=10,
        ),
        Panel(
            title="Time to full, over time",
            text="The forecast. Gaps: usage is flat or falls.",
            queries=[
                Query(
                    expr=f"min by (cluster) (etcd_shield_time_to_full_seconds{{{OURS}}} < Inf)",
                    legend="{{cluster}} time to full",
                )
            ],
            unit="s",
        ),
        Panel(
            title="Signals that cannot be used",
            text="Partial: a member's sample is missing, so the signal may deny but not admit. "
            "Unusable: nothing came. Blind: nothing came for longer than blind_after.",
            kind="state-timeline",
            queries=[
                Query(
                    expr="max by (cluster, signal, state) "
                    f'(etcd_shield_signal_state{{{OURS}, state!="ok"}})',
                    legend="{{cluster}} {{signal}} {{state}}",
                )
            ],
            mappings=YES_IS_BAD,
            steps=((None, GREEN), (1, RED)),
        ),
        Panel(
            title="Latches",
            text="Which signal holds which tier closed. A tier admits once all of its latches are "
            "reset.",
            kind="state-timeline",
            queries=[
                Query(
                    expr=f"max by (cluster, tier, signal) (etcd_shield_latch_set{{{OURS}}})",
                    legend="{{cluster}} {{tier}}: {{signal}}",
                )
            ],
            mappings=[
                {
                    "type": "value",
                    "options": {
                        "0": {"text": "reset", "color": GREEN, "index": 0},
                        "1": {"text": "set", "color": RED, "index": 1},
                    },
                }
            ],
            steps=((None, GREEN), (1, RED)),
        ),
        Panel(
            title="Transitions in an hour",
            text="How often each tier changed in the hour before. Six or more is flapping: the gap "
            "between set and reset is too small for what one burst moves.",
            queries=[
                Query(
                    expr=f"sum by (tier) (increase(etcd_shield_transitions_total{{{OURS}}}[1h]))",
                    legend="{{tier}}",
                )
            ],
        ),
    ),
)

OVERVIEW = Dashboard(
    uid="etcd-shield-overview",
    title="etcd-shield / Overview",
    text="Is etcd-shield denying, why, since when, and what comes next.",
    rows=(_NOW, _BITS, _USAGE),
    variables=(
        Variable(
            name="signal",
            label="Signal",
            values='label_values(etcd_shield_threshold{cluster=~"$cluster", '
            'namespace=~"$namespace"}, signal)',
        ),
    ),
)
