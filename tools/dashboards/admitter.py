"""Admitter: does the webhook answer, how fast, and does every replica know the same."""

from tools.dashboards.colours import GREEN, RED, YELLOW, YES_IS_GOOD
from tools.dashboards.grafana import OURS, Dashboard, Panel, Query, Row

_REQUESTS = "etcd_shield_admission_requests_total"
_BUCKETS = "etcd_shield_admission_duration_seconds_bucket"
_ADMITTER_JOBS = f"etcd_shield_decision_age_seconds{{{OURS}}}"
_SAME = "on (cluster, namespace, job, instance)"

_ANSWERS = Row(
    title="Answers",
    panels=(
        Panel(
            title="Requests, by verdict and reason",
            text="Everything that reached the admitters. `rejected` were no reviews to be judged.",
            queries=[
                Query(
                    expr=f"sum by (verdict, reason) (rate({_REQUESTS}{{{OURS}}}"
                    "[$__rate_interval])) > 0",
                    legend="{{verdict}}: {{reason}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            title="Share of rejected requests",
            text="Requests that never came to a verdict (malformed, wrong path or method, too "
            "large, not ready yet), as a share of all. EtcdShieldWebhookErrors fires above 5%.",
            queries=[
                Query(
                    expr=f'sum(rate({_REQUESTS}{{{OURS}, verdict="rejected"}}[$__rate_interval]))'
                    f" / sum(rate({_REQUESTS}{{{OURS}}}[$__rate_interval]))",
                    legend="rejected",
                )
            ],
            unit="percentunit",
            highest=1,
        ),
        Panel(
            title="Calls that failed, as the API server counts them",
            text="Refused connections, TLS errors and timeouts, which no admitter sees. Fail open: "
            "admitted unjudged because failurePolicy is Ignore. Empty where the API server's "
            "metrics are not in this Prometheus.",
            queries=[
                Query(
                    expr="sum by (error_type) (rate(apiserver_admission_webhook_rejection_count"
                    '{cluster=~"$cluster", name=~".*etcd-shield.*", error_type!="no_error"}'
                    "[$__rate_interval]))",
                    legend="{{error_type}}",
                ),
                Query(
                    expr="sum(rate(apiserver_admission_webhook_fail_open_count"
                    '{cluster=~"$cluster", name=~".*etcd-shield.*"}[$__rate_interval]))',
                    legend="fail open",
                ),
            ],
            unit="reqps",
            no_value="no API server here",
        ),
        Panel(
            title="Requests, by replica",
            text="How evenly the API servers' connections are spread.",
            queries=[
                Query(
                    expr=f"sum by (instance) (rate({_REQUESTS}{{{OURS}}}[$__rate_interval]))",
                    legend="{{instance}}",
                )
            ],
            unit="reqps",
        ),
    ),
)

_DURATION = Row(
    title="Duration",
    panels=(
        Panel(
            title="Duration of all requests",
            text="From a review's last byte to its answer. The verdict waits for nothing, so what "
            "is slow here lacks CPU.",
            kind="heatmap",
            queries=[
                Query(
                    expr=f"sum by (le) (rate({_BUCKETS}{{{OURS}}}[$__rate_interval]))",
                    legend="{{le}}",
                    heatmap=True,
                )
            ],
            unit="s",
        ),
        Panel(
            title="Duration, by quantile",
            text="Half, 19 of 20 and 99 of 100 requests are faster. EtcdShieldWebhookSlow fires "
            "above 0.25 s for 99 of 100.",
            queries=[
                Query(
                    expr=f"histogram_quantile({quantile}, sum by (le) "
                    f"(rate({_BUCKETS}{{{OURS}}}[$__rate_interval])))",
                    legend=f"{quantile:.0%}",
                )
                for quantile in (0.5, 0.95, 0.99)
            ],
            unit="s",
        ),
        Panel(
            title="99 of 100 requests, by replica",
            text="One replica far from the others: look at its node.",
            queries=[
                Query(
                    expr="histogram_quantile(0.99, sum by (instance, le) "
                    f"(rate({_BUCKETS}{{{OURS}}}[$__rate_interval])))",
                    legend="{{instance}}",
                )
            ],
            unit="s",
        ),
        Panel(
            title="In flight and connections",
            text="Requests being answered, and open connections, by replica. API servers keep "
            "theirs, so few are normal.",
            queries=[
                Query(
                    expr=f"etcd_shield_admission_in_flight{{{OURS}}}",
                    legend="{{instance}} in flight",
                ),
                Query(expr=f"etcd_shield_connections{{{OURS}}}", legend="{{instance}} connections"),
            ],
        ),
    ),
)

_KNOWLEDGE = Row(
    title="What replicas know",
    panels=(
        Panel(
            title="Age of the decision",
            text="Since a replica last heard a new decision. One interval (5 s) is normal, 30 s is "
            "stale, at 5 min it has expired and on_unknown speaks.",
            queries=[
                Query(
                    expr=f"etcd_shield_decision_age_seconds{{{OURS}}} < Inf",
                    legend="{{instance}}",
                )
            ],
            unit="s",
        ),
        Panel(
            title="Freshness",
            text="Which replicas hold a fresh decision.",
            kind="state-timeline",
            queries=[
                Query(
                    expr=f'etcd_shield_decision_freshness{{{OURS}, state="fresh"}}',
                    legend="{{instance}}",
                )
            ],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
        ),
        Panel(
            title="Decisions heard",
            text="By source and what became of them. `subscription: taken` once per interval and "
            "replica is normal; a subscription that is silent while `get` takes is broken.",
            queries=[
                Query(
                    expr="sum by (source, result) (rate(etcd_shield_decision_updates_total"
                    f"{{{OURS}}}[$__rate_interval])) > 0",
                    legend="{{source}}: {{result}}",
                )
            ],
            unit="ops",
        ),
        Panel(
            title="Redis answers",
            text="Whether Redis answers each replica.",
            kind="state-timeline",
            queries=[Query(expr=f"etcd_shield_redis_up{{{OURS}}}", legend="{{instance}}")],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
        ),
    ),
)

_PROCESS = Row(
    title="Process",
    panels=(
        Panel(
            title="Days until the certificate ends",
            text="The one that is served now, by replica. A renewed file is taken up without a "
            "restart; EtcdShieldCertificateExpiring fires at seven days.",
            kind="stat",
            queries=[
                Query(
                    expr=f"((etcd_shield_tls_certificate_not_after_timestamp_seconds{{{OURS}}} > 0)"
                    " - time()) / 86400",
                    legend="{{instance}}",
                )
            ],
            unit="d",
            steps=((None, RED), (7, YELLOW), (14, GREEN)),
            width=8,
        ),
        Panel(
            title="Reloads and crashes",
            text="Files that were read again, and background tasks that crashed and were started "
            "again (a bug: see the log).",
            queries=[
                Query(
                    expr=f"sum by (result) (etcd_shield_config_reloads_total{{{OURS}}}"
                    f" and {_SAME} {_ADMITTER_JOBS})",
                    legend="configuration: {{result}}",
                ),
                Query(
                    expr=f"sum by (result) (etcd_shield_tls_certificate_reloads_total{{{OURS}}})",
                    legend="certificate: {{result}}",
                ),
                Query(
                    expr=f"sum by (task) (etcd_shield_task_crashes_total{{{OURS}}}"
                    f" and {_SAME} {_ADMITTER_JOBS})",
                    legend="crash: {{task}}",
                ),
            ],
            width=8,
        ),
        Panel(
            title="Memory",
            text="Resident memory, by replica. Bounded: bodies are capped and only a few fields of "
            "a review are kept.",
            queries=[
                Query(
                    expr=f"process_resident_memory_bytes{{{OURS}}} and {_SAME} {_ADMITTER_JOBS}",
                    legend="{{instance}}",
                )
            ],
            unit="bytes",
            width=8,
        ),
        Panel(
            title="CPU",
            text="Cores in use, by replica. One replica uses one core at most.",
            unit="suffix: cores",
            queries=[
                Query(
                    expr=f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])"
                    f" and {_SAME} {_ADMITTER_JOBS}",
                    legend="{{instance}}",
                )
            ],
            width=8,
        ),
        Panel(
            title="Versions",
            text="How many replicas run which version.",
            queries=[
                Query(
                    expr=f"count by (version) (etcd_shield_build_info{{{OURS}}}"
                    f" and {_SAME} {_ADMITTER_JOBS})",
                    legend="{{version}}",
                )
            ],
            width=8,
        ),
    ),
)

ADMITTER = Dashboard(
    uid="etcd-shield-admitter",
    title="etcd-shield / Admitter",
    text="Does the webhook answer, how fast, and does every replica know the same.",
    rows=(_ANSWERS, _DURATION, _KNOWLEDGE, _PROCESS),
)
