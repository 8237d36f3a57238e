"""The admitter's configuration file, and the policy that follows from it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from shield_admitter.core.decision_age import FreshnessLimits
from shield_admitter.core.response import DenialStyle
from shield_admitter.core.rules import Exemption, Matcher, RetryRule, TierRule, compile_globs
from shield_admitter.core.verdict import Mode, Policy
from shield_common.config.loader import SettingsStruct
from shield_common.config.types import LINK_PATTERN, MAX_LINK, Duration, Name, Size, parse_address
from shield_common.logs import LogSettings
from shield_common.probes import MetricsSettings
from shield_common.store.settings import RedisSettings

Link = Annotated[str, Meta(max_length=MAX_LINK, pattern=LINK_PATTERN)]
Glob = Annotated[str, Meta(min_length=1, max_length=512)]
Globs = Annotated[tuple[Glob, ...], Meta(max_length=1000)]
ModeName = Literal["enforce", "warn", "audit", "off"]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

# The API server refuses objects above 3 MiB; JSON inside an AdmissionReview, old object and all,
# stays below 8 MiB (https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/).
MAX_BODY: Final = Size(8 * 1024 * 1024)
MIN_BODY: Final = 64 * 1024
# What was opened with the old values; see `shield_common.config.reload`.
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
TOO_MANY_REQUESTS: Final = 429
MAX_RETRY_SECONDS: Final = 300  # client-go comes back up to ten times; longer parks it for an hour


class MatchSettings(SettingsStruct, frozen=True, kw_only=True):
    """Which requests a rule is about; every field that is given has to match.

    Attributes:
        namespaces: shell patterns of namespaces.
        users: shell patterns of user names.
        groups: shell patterns; one of the user's groups has to match.
        labels: exact labels of the object. Whoever creates it can set these, so bind a high tier
            to namespaces or users too.
    """

    namespaces: Globs = ()
    users: Globs = ()
    groups: Globs = ()
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a rule that would match everything."""
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
    """Admits matching requests whatever the shield says.

    Attributes:
        reason: why; stands in the audit annotations and in what ``explain`` says.
        expires: until when (RFC 3339, with a time zone).
    """

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    expires: Annotated[datetime, Meta(tz=True)]


class RetrySettings(MatchSettings, frozen=True, kw_only=True):
    """Tells matching requesters to come back; the API server passes it on as ``Retry-After``.

    Attributes:
        seconds: after how long, give or take half of it.
    """

    seconds: Annotated[int, Meta(ge=1, le=MAX_RETRY_SECONDS)]


class FreshnessSettings(SettingsStruct, frozen=True, kw_only=True):
    """What becomes of a decision that nobody renews.

    Attributes:
        stale_after: from this age on it is stale: still in force, but alerted.
        expired_after: from this age on it says nothing any more.
        on_unknown: what a request is told then.
    """

    stale_after: Duration = Duration(30)
    expired_after: Duration = Duration(300)
    on_unknown: Literal["allow", "deny"] = "allow"

    def __post_init__(self) -> None:
        """Refuse an order of ages that cannot be."""
        if not 0 < self.stale_after < self.expired_after:
            raise ValueError("stale_after must be above 0s and below expired_after")

    def limits(self) -> FreshnessLimits:
        """Return the ages in milliseconds."""
        return FreshnessLimits(self.stale_after.milliseconds, self.expired_after.milliseconds)


class TLSSettings(SettingsStruct, frozen=True, kw_only=True):
    """The webhook's certificate; read anew when a file changes.

    Attributes:
        cert_file: PEM certificate chain.
        key_file: its PEM key.
        client_ca_file: PEM certificates; clients must show a certificate that they signed.
        client_names: names of which the client's certificate must bear one (common name or DNS
            name); any signed one will do if empty.
    """

    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that nobody would check."""
        if self.client_names and self.client_ca_file is None:
            raise ValueError("client_names needs client_ca_file")


class DenialSettings(SettingsStruct, frozen=True, kw_only=True):
    """How a denial looks.

    Attributes:
        code: 429 lets clients come back, 403 is final.
        url: where a person finds out more; the evaluator's ``status_url`` unless given.
    """

    code: Literal[429, 403] = 429
    url: Link | None = None


class AdmitterSettings(SettingsStruct, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        cluster: whose decisions are read; as in the evaluator's configuration.
        listen: where the webhook is served, ``host:port``.
        tls: its certificate.
        redis: where decisions come from.
        mode: what a denial does to a request: ``enforce``, ``warn``, ``audit`` or ``off``.
        tier_modes: the same for single tiers.
        tiers: ordered rules; the first that matches names the tier.
        default_tier: for requests that no rule matches.
        exemptions: requests that are admitted whatever the shield says, until a date.
        retry_after: ordered rules; the first that matches tells a denied requester to come back,
            unless ``denial.code`` is 403.
        freshness: what becomes of a decision that nobody renews.
        operations: which operations are judged; others are admitted and counted.
        kinds: which kinds are judged; others are admitted and counted. ``*`` judges all.
        denial: how a denial looks.
        startup_grace: how long a new admitter waits for its first decision before it serves.
        refresh: how often the decision is read besides the subscription.
        drain: how long it serves on after SIGTERM, until nobody sends anything new.
        max_body: larger reviews are refused with 413.
        max_connections: so many clients at once; beyond it an idle one has to go, or the newcomer.
        metrics: where metrics and probes are served.
        log: level and form of the logs.
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
    freshness: FreshnessSettings = FreshnessSettings()
    operations: Annotated[tuple[Operation, ...], Meta(min_length=1)] = ("CREATE",)
    kinds: Annotated[tuple[str, ...], Meta(min_length=1)] = ("PipelineRun",)
    denial: DenialSettings = DenialSettings()
    startup_grace: Duration = Duration(10)
    refresh: Duration = Duration(5)
    drain: Duration = Duration(10)
    max_body: Size = MAX_BODY
    max_connections: Annotated[int, Meta(ge=16, le=100_000)] = 1024
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        """Refuse what does not resolve or cannot work."""
        try:
            parse_address(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from error
        known = {rule.tier for rule in self.tiers} | {self.default_tier}
        for tier in self.tier_modes:
            if tier not in known:
                raise ValueError(f"tier_modes.{tier}: no rule leads to a tier of that name")
        if self.refresh <= 0:
            raise ValueError("refresh: must be above 0s")
        if self.max_body < MIN_BODY:
            raise ValueError(f"max_body: must be at least {MIN_BODY} bytes")

    def policy(self) -> Policy:
        """Return the configuration as the verdict needs it."""
        return Policy(
            tiers=[
                TierRule(rule.tier, rule.matcher(), position)
                for position, rule in enumerate(self.tiers)
            ],
            default_tier=self.default_tier,
            mode=Mode(self.mode),
            tier_modes={tier: Mode(mode) for tier, mode in self.tier_modes.items()},
            exemptions=[
                Exemption(rule.matcher(), rule.reason, rule.expires, position)
                for position, rule in enumerate(self.exemptions)
            ],
            # Clients re-send after a 429 alone.
            retry_rules=[
                RetryRule(rule.seconds, rule.matcher(), position)
                for position, rule in enumerate(self.retry_after)
                if self.denial.code == TOO_MANY_REQUESTS
            ],
            operations=frozenset(self.operations),
            kinds=frozenset(self.kinds),
            limits=self.freshness.limits(),
            allow_unknown=self.freshness.on_unknown == "allow",
        )

    def denial_style(self) -> DenialStyle:
        """Return how denials look."""
        return DenialStyle(code=self.denial.code, url=self.denial.url)
