"""How etcd itself does: the rows of the evaluator's dashboard that read etcd's own metrics."""

from tools.dashboards.colours import GREEN, RED, YES_IS_GOOD
from tools.dashboards.grafana import ETCD, Panel, Query, Row


def _slowest(metric: str, by: str = "instance") -> str:
    return (
        f"histogram_quantile(0.99, sum by (le, {by}) "
        f"(rate({metric}_bucket{{{ETCD}}}[$__rate_interval])))"
    )


SPACE = Row(
    title="etcd: space",
    panels=(
        Panel(
            title="File, in use and quota",
            text="At its quota etcd takes no more writes. Compaction lowers what is in use; only a "
            "defragmentation makes the file smaller.",
            queries=[
                Query(
                    expr=f"etcd_mvcc_db_total_size_in_bytes{{{ETCD}}}", legend="{{instance}} file"
                ),
                Query(
                    expr=f"etcd_mvcc_db_total_size_in_use_in_bytes{{{ETCD}}}",
                    legend="{{instance}} in use",
                ),
                Query(expr=f"min(etcd_server_quota_backend_bytes{{{ETCD}}} > 0)", legend="quota"),
            ],
            unit="bytes",
        ),
        Panel(
            title="Free share of the file",
            text="What a defragmentation would give back. EtcdShieldDefragWouldHelp fires above "
            "40% once the file is above a reset threshold.",
            queries=[
                Query(
                    expr=f"1 - etcd_mvcc_db_total_size_in_use_in_bytes{{{ETCD}}}"
                    f" / etcd_mvcc_db_total_size_in_bytes{{{ETCD}}}",
                    legend="{{instance}}",
                )
            ],
            unit="percentunit",
            highest=1,
        ),
    ),
)

HEALTH = Row(
    title="etcd: health",
    panels=(
        Panel(
            title="Has a leader",
            text="A member without a leader answers no writes.",
            kind="state-timeline",
            queries=[Query(expr=f"etcd_server_has_leader{{{ETCD}}}", legend="{{instance}}")],
            mappings=YES_IS_GOOD,
            steps=((None, RED), (1, GREEN)),
        ),
        Panel(
            title="Leader changes in an hour",
            text="Elections that members have seen. More than a few: slow disks or network.",
            queries=[
                Query(
                    expr=f"increase(etcd_server_leader_changes_seen_total{{{ETCD}}}[1h])",
                    legend="{{instance}}",
                )
            ],
        ),
        Panel(
            title="Proposals",
            text="Pending: waiting to be agreed on, near 0 when healthy. Failed: lost in elections "
            "or to a missing quorum.",
            queries=[
                Query(
                    expr=f"etcd_server_proposals_pending{{{ETCD}}}", legend="{{instance}} pending"
                ),
                Query(
                    expr=f"rate(etcd_server_proposals_failed_total{{{ETCD}}}[$__rate_interval])",
                    legend="{{instance}} failed/s",
                ),
            ],
        ),
        Panel(
            title="Peer traffic",
            text="What members send each other. A follower far behind makes it jump.",
            queries=[
                Query(
                    expr="sum by (instance) (rate(etcd_network_peer_sent_bytes_total"
                    f"{{{ETCD}}}[$__rate_interval]))",
                    legend="{{instance}} sent",
                ),
                Query(
                    expr="sum by (instance) (rate(etcd_network_peer_received_bytes_total"
                    f"{{{ETCD}}}[$__rate_interval]))",
                    legend="{{instance}} received",
                ),
            ],
            unit="Bps",
        ),
        Panel(
            title="Requests, by method",
            text="What etcd is asked per second. Many Txn: writes, which make the file grow.",
            queries=[
                Query(
                    expr="sum by (grpc_method) (rate(grpc_server_handled_total"
                    f'{{{ETCD}, grpc_type="unary"}}[$__rate_interval])) > 0',
                    legend="{{grpc_method}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            title="Request duration, 99 of 100",
            text="By method. etcd exports it when it runs with --metrics=extensive.",
            queries=[
                Query(
                    expr="histogram_quantile(0.99, sum by (le, grpc_method) "
                    "(rate(grpc_server_handling_seconds_bucket"
                    f'{{{ETCD}, grpc_type="unary"}}[$__rate_interval])))',
                    legend="{{grpc_method}}",
                )
            ],
            unit="s",
            no_value="etcd runs without --metrics=extensive",
        ),
        Panel(
            title="WAL fsync, 99 of 100",
            text="How long the log takes to reach the disk; etcd's documentation asks for less "
            "than 10 ms.",
            queries=[
                Query(expr=_slowest("etcd_disk_wal_fsync_duration_seconds"), legend="{{instance}}")
            ],
            unit="s",
        ),
        Panel(
            title="Backend commit, 99 of 100",
            text="How long a batch takes to reach the database file; etcd's documentation asks for "
            "less than 25 ms. A defragmentation shows here.",
            queries=[
                Query(
                    expr=_slowest("etcd_disk_backend_commit_duration_seconds"),
                    legend="{{instance}}",
                )
            ],
            unit="s",
        ),
        Panel(
            title="Memory",
            text="Resident memory of the members; it grows with the database, which is mapped.",
            queries=[Query(expr=f"process_resident_memory_bytes{{{ETCD}}}", legend="{{instance}}")],
            unit="bytes",
        ),
        Panel(
            title="CPU",
            text="Cores in use by the members.",
            unit="suffix: cores",
            queries=[
                Query(
                    expr=f"rate(process_cpu_seconds_total{{{ETCD}}}[$__rate_interval])",
                    legend="{{instance}}",
                )
            ],
        ),
    ),
)
