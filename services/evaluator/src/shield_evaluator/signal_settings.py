"""The settings of one signal, and the PromQL that follows from them."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from msgspec import Meta

from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, Name, Size

LabelName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$(?!\n)")]
# Python's `$` also matches before a last newline, hence the (?!\n).
AlertName = Annotated[str, Meta(pattern=r"^[A-Za-z_:][A-Za-z0-9_:.\-]{0,127}$(?!\n)")]
OnBlindName = Literal["hold", "deny", "allow"]
_SIZE_LIKE: Final = re.compile(r"[0-9.]+ *[A-Za-z]*")  # a number with a unit, which PromQL has not


class SignalSettings(SettingsStruct, frozen=True, kw_only=True):
    """One measured quantity.

    Attributes:
        name: its name in thresholds, metrics and messages.
        query: PromQL that gives one sample per etcd member.
        alert: instead of a query, the name of a Prometheus alert; reads 1 while it fires, else 0.
        members: number of members that should answer. With fewer or more, the tier may be denied
            but is not admitted again.
        member_label: the label that names the member. Unless given, series are distinguished by all
            their labels.
        quota: etcd's quota in bytes (``8Gi``), or PromQL that gives it; the value is then the query
            divided by the quota. For metrics without ``etcd_server_quota_backend_bytes``.
        learn_cost: whether a ``run_cost`` that this signal shows to be too low is multiplied,
            at most by four.
        blind_after: overrides the top level's.
        on_blind: overrides the top level's.
        unit: ``ratio`` (0.9 is shown as 90%) or ``number``.
    """

    name: Name
    query: str | None = None
    alert: AlertName | None = None
    members: Annotated[int, Meta(ge=1, le=100)] | None = None
    member_label: LabelName | None = None
    quota: Annotated[int, Meta(ge=1)] | Annotated[str, Meta(min_length=1)] | None = None
    learn_cost: bool = True
    blind_after: Duration | None = None
    on_blind: OnBlindName | None = None
    unit: Literal["ratio", "number"] = "ratio"

    def __post_init__(self) -> None:
        """Refuse a signal that measures nothing, or two things."""
        if (self.query is None) == (self.alert is None):
            raise ValueError(f"signal {self.name}: exactly one of query and alert is needed")
        if self.query is not None and not self.query.strip():
            raise ValueError(f"signal {self.name}: query is empty")
        if self.alert is not None and self.members is not None:
            raise ValueError(f"signal {self.name}: members goes with query, not with alert")
        if self.alert is not None and self.member_label is not None:
            raise ValueError(f"signal {self.name}: member_label goes with query, not with alert")
        self._check_quota()
        if self.blind_after is not None and self.blind_after <= 0:
            raise ValueError(f"signal {self.name}: blind_after must be above 0s")

    def _check_quota(self) -> None:
        if self.quota is None:
            return
        if self.alert is not None:
            raise ValueError(f"signal {self.name}: quota goes with query, not with alert")
        if self.unit != "ratio":
            raise ValueError(f"signal {self.name}: with a quota the unit is ratio")
        if isinstance(self.quota, str) and _SIZE_LIKE.fullmatch(self.quota.strip()):
            try:
                Size.parse(self.quota.strip())
            except ValueError as error:
                raise ValueError(f"signal {self.name}: quota: {error}") from error

    @property
    def quota_source(self) -> int | str | None:
        """The quota as a number of bytes or as PromQL; None if the query is a ratio already."""
        if isinstance(self.quota, str) and _SIZE_LIKE.fullmatch(self.quota.strip()):
            return Size.parse(self.quota.strip())
        return self.quota

    @property
    def expression(self) -> str:
        """The PromQL that is asked."""
        if self.query is not None:
            quota = self.quota_source
            if quota is None:
                return self.query
            # On lines of their own, so that a comment at the end of either hides nothing.
            return f"(\n{self.query}\n) / (\n{quota}\n)"
        # The shield's own alerts carry `raised_by`; reading one would hold it closed for ever.
        selector = f'alertname="{self.alert}",alertstate="firing",raised_by!="etcd-shield"'
        return f"max(ALERTS{{{selector}}}) or vector(0)"
