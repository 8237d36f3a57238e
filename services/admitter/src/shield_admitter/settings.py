"""The admitter's configuration file, and the policy that results from it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta, field

from shield_admitter.core.response import DenialFormat
from shield_admitter.core.rules import Exemption, Matcher, RetryRule, TierRule, compile_globs
from shield_admitter.core.verdict import HoldPolicy, Mode, Policy
from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, Link, Name, Size, parse_address
from shield_common.decision_feed import FreshnessSettings
from shield_common.listen import MetricsSettings
from shield_common.logs import LogSettings
from shield_common.store.settings import RedisSettings
from shield_common.tls.contexts import ServerCertificate

if TYPE_CHECKING:
    from collections.abc import Callable

Glob = Annotated[str, Meta(min_length=1, max_length=512)]
Globs = Annotated[tuple[Glob, ...], Meta(max_length=1000)]
ModeName = Literal["enforce", "warn", "audit", "off"]
UserName = Annotated[str, Meta(min_length=1, max_length=512)]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

# The API server rejects objects above 3 MiB; an AdmissionReview with the new and the old object
# stays below 8 MiB (https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/).
MAX_BODY: Final = Size(8 * 1024 * 1024)
MIN_BODY: Final = 64 * 1024
# Keys of what is opened once, at start; see `shield_common.config.reload`.
RESTART_KEYS: Final = (
    "cluster",
    "listen",
    "tls",
    "redis",
    "metrics.listen",
    "max_connections",
    "startup_grace",
    "log.format",
)
TOO_MANY_REQUESTS: Final = 429  # a plain number, as `denial.code` is
# client-go tries up to ten times, so a caller waits 50 minutes at most.
MAX_RETRY_SECONDS: Final = 300


class MatchSettings(SettingsStruct, frozen=True, kw_only=True):
    """The requests that a rule matches; every field that is given must match.

    Attributes:
        namespaces: shell patterns of namespaces.
        users: shell patterns of user names.
        groups: shell patterns; one of the user's first 1,024 groups must match.
        labels: exact labels of the object. The author of an object chooses its labels, so bind a
            high tier to namespaces or users too.
    """

    namespaces: Globs = ()
    users: Globs = ()
    groups: Globs = ()
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject a rule that would match everything."""
        if not (self.namespaces or self.users or self.groups or self.labels):
            raise ValueError("needs at least one of namespaces, users, groups, labels")

    def matcher(self) -> Matcher:
        """Compile the patterns."""
        return Matcher(
            namespaces=compile_globs(self.namespaces),
            users=compile_globs(self.users),
            groups=compile_globs(self.groups),
            labels=self.labels,
        )


class TierSettings(MatchSettings, frozen=True, kw_only=True):
    """Puts matching requests into a tier.

    Attributes:
        tier: the tier's name, as in the evaluator's configuration.
    """

    tier: Name


class ExemptionSettings(MatchSettings, frozen=True, kw_only=True):
    """Admits matching requests even while their tier is denied.

    Attributes:
        reason: why; shown in the audit annotations and by ``explain``.
        expires: end of the exemption (RFC 3339, with a time zone).
    """

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    expires: Annotated[datetime, Meta(tz=True)]


class RetrySettings(MatchSettings, frozen=True, kw_only=True):
    """Asks matching clients to try again; the API server passes it on as ``Retry-After``.

    Attributes:
        seconds: delay before the next try, plus or minus half of it.
    """

    seconds: Annotated[int, Meta(ge=1, le=MAX_RETRY_SECONDS)]


class AdmitterFreshness(FreshnessSettings, frozen=True, kw_only=True):
    """What happens when no new decision arrives.

    Attributes:
        stale_after: age from which the decision is stale: still in force, with an alert.
        on_unknown: the answer to requests while no decision is in force.
    """

    on_unknown: Literal["allow", "deny"] = "allow"


class TLSSettings(SettingsStruct, frozen=True, kw_only=True):
    """The webhook's certificate; read again when a file changes.

    Attributes:
        cert_file: PEM certificate chain.
        key_file: its PEM key.
        client_ca_file: PEM certificates of authorities; clients must present a certificate signed
            by one of them.
        client_names: allowed common names and DNS names of client certificates; empty allows every
            signed certificate.
    """

    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Reject names that would not be checked."""
        if self.client_names and self.client_ca_file is None:
            raise ValueError("client_names needs client_ca_file")

    def load_certificate(
        self, *, on_reload: Callable[[str | None], None] = lambda _problem: None
    ) -> ServerCertificate:
        """Load the files.

        Args:
            on_reload: called after every change of the files, with the problem or None.

        Raises:
            TLSError: one of the files cannot be used.
        """
        return ServerCertificate(
            Path(self.cert_file),
            Path(self.key_file),
            client_ca_file=None if self.client_ca_file is None else Path(self.client_ca_file),
            on_reload=on_reload,
        )


class HoldSettings(SettingsStruct, frozen=True, kw_only=True):
    """Whether runs that would be denied wait as pending runs instead.

    The evaluator's ``hold`` says how many may wait, and shield-controller starts them.

    Attributes:
        enabled: whether the webhook ``/mutate`` holds runs; needs a MutatingWebhookConfiguration.
        controllers: user names that may start held runs; shield-controller's service account,
            ``system:serviceaccount:NAMESPACE:NAME``.
    """

    enabled: bool = False
    controllers: Annotated[tuple[UserName, ...], Meta(max_length=100)] = ()

    def __post_init__(self) -> None:
        """Reject holding that nothing could end."""
        if self.enabled and not self.controllers:
            raise ValueError(
                "controllers: needs the user name of shield-controller, or no held run could start"
            )


class DenialSettings(SettingsStruct, frozen=True, kw_only=True):
    """What a denial looks like.

    Attributes:
        code: 429 lets clients try again, 403 is final.
        url: link at the end of the message; by default the evaluator's ``status_url``.
    """

    code: Literal[429, 403] = 429
    url: Link | None = None


class AdmitterSettings(SettingsStruct, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        cluster: the cluster whose decisions are read, as in the evaluator's configuration.
        listen: address of the webhook, ``host:port``.
        tls: its certificate.
        redis: where decisions come from.
        mode: effect of a denial: ``enforce``, ``warn``, ``audit`` or ``off``.
        tier_modes: the same for single tiers.
        tiers: ordered rules; the first match sets the tier.
        default_tier: tier of requests that no rule matches.
        exemptions: requests that are admitted even while their tier is denied, until a date.
        retry_after: ordered rules; the first match asks a denied client to try again, unless
            ``denial.code`` is 403.
        freshness: what happens when no new decision arrives.
        operations: operations that are judged; others are admitted and counted.
        kinds: kinds that are judged; others are admitted and counted. ``*`` judges all.
        denial: what a denial looks like.
        hold: whether runs that would be denied wait as pending runs instead.
        startup_grace: how long a new admitter waits for its first decision before it serves.
        refresh: interval at which the decision is read besides the subscription.
        drain: how long it keeps serving after SIGTERM, while clients move to other replicas.
        max_body: larger reviews are rejected with 413.
        max_connections: limit of open connections; beyond it an unfinished or idle connection is
            closed for a new one, or else the new one is.
        metrics: address of metrics and probes.
        log: level and format of the logs.
    """

    cluster: Name
    tls: TLSSettings
    redis: RedisSettings
    listen: str = "0.0.0.0:8443"
    mode: ModeName = "enforce"
    tier_modes: dict[Name, ModeName] = field(default_factory=dict)
    tiers: Annotated[tuple[TierSettings, ...], Meta(max_length=1000)] = ()
    default_tier: Name = "standard"
    exemptions: Annotated[tuple[ExemptionSettings, ...], Meta(max_length=1000)] = ()
    retry_after: Annotated[tuple[RetrySettings, ...], Meta(max_length=1000)] = ()
    freshness: AdmitterFreshness = AdmitterFreshness()
    operations: Annotated[tuple[Operation, ...], Meta(min_length=1)] = ("CREATE",)
    kinds: Annotated[tuple[str, ...], Meta(min_length=1)] = ("PipelineRun",)
    denial: DenialSettings = DenialSettings()
    hold: HoldSettings = HoldSettings()
    startup_grace: Duration = Duration(10)
    refresh: Duration = Duration(5)
    drain: Duration = Duration(10)
    max_body: Size = MAX_BODY
    max_connections: Annotated[int, Meta(ge=16, le=100_000)] = 1024
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        """Reject values that cannot work together."""
        try:
            parse_address(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from error
        known = {rule.tier for rule in self.tiers} | {self.default_tier}
        for tier in self.tier_modes:
            if tier not in known:
                raise ValueError(f"tier_modes.{tier}: no rule sets a tier of that name")
        if self.refresh <= 0:
            raise ValueError("refresh: must be above 0s")
        if self.max_body < MIN_BODY:
            raise ValueError(f"max_body: must be at least {MIN_BODY} bytes")

    def policy(self) -> Policy:
        """Return the part of the configuration that verdicts depend on."""
        return Policy(
            tier_rules=[
                TierRule(rule.tier, rule.matcher(), index) for index, rule in enumerate(self.tiers)
            ],
            default_tier=self.default_tier,
            mode=Mode(self.mode),
            tier_modes={tier: Mode(mode) for tier, mode in self.tier_modes.items()},
            exemptions=[
                Exemption(rule.matcher(), rule.reason, rule.expires.timestamp(), index)
                for index, rule in enumerate(self.exemptions)
            ],
            # Clients try again after a 429 only.
            retry_rules=[
                RetryRule(rule.seconds, rule.matcher(), index)
                for index, rule in enumerate(self.retry_after)
                if self.denial.code == TOO_MANY_REQUESTS
            ],
            operations=frozenset(self.operations),
            kinds=frozenset(self.kinds),
            limits=self.freshness.limits(),
            allow_unknown=self.freshness.on_unknown == "allow",
            hold=self._hold_policy(),
        )

    def _hold_policy(self) -> HoldPolicy | None:
        if not self.hold.enabled:
            return None
        return HoldPolicy(
            controllers=frozenset(self.hold.controllers),
            counts_starts="UPDATE" not in self.operations,
        )

    def denial_format(self) -> DenialFormat:
        """Return what denials look like."""
        return DenialFormat(code=self.denial.code, url=self.denial.url)
