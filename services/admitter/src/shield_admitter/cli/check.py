"""``shield-admitter check``: tests whether an admitter could run with this configuration."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from shield_admitter.cli.options import config_option, load_settings, output_option, read_decision
from shield_common.clock import now_ms, utc_now
from shield_common.command_line import Finding, finish_check, redis_findings
from shield_common.decision_age import Freshness, freshness
from shield_common.store.check import try_admitter_operations
from shield_common.tls.contexts import TLSError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from shield_admitter.settings import AdmitterSettings
    from shield_common.decision import Decision
    from shield_common.decision_age import CachedDecision

# Threshold of the alert EtcdShieldCertificateExpiring.
EXPIRES_SOON: Final = timedelta(days=7)


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Check files only, not Redis.")
@click.option(
    "--host",
    metavar="NAME",
    help="Also check that the certificate is for this name: the webhook's SERVICE.NAMESPACE.svc.",
)
@output_option
def check(*, config: Path, offline: bool, host: str | None, output: str) -> None:
    """Check whether an admitter could run with this configuration.

    Reads the configuration and the certificate, reads the decision from Redis once, and tries
    everything else that an admitter does in Redis, without changing anything.

    Exit codes: 0 it could run, 1 a check failed, 2 bad configuration or usage.
    """
    settings = load_settings(config)
    findings = [
        Finding("configuration", ok=True, says=str(config)),
        *_exemptions(settings, utc_now()),
        _certificate(settings, utc_now(), host),
    ]
    if not offline:
        findings += asyncio.run(_redis(settings))
    finish_check(findings, output)


def _exemptions(settings: AdmitterSettings, utc: datetime) -> list[Finding]:
    return [
        Finding(f"exemptions[{index}]", ok=True, says=f"expired at {rule.expires}: no effect")
        for index, rule in enumerate(settings.exemptions)
        if rule.expires <= utc
    ]


def _certificate(settings: AdmitterSettings, utc: datetime, host: str | None) -> Finding:
    try:
        certificate = settings.tls.load_certificate().certificate
    except TLSError as error:
        return Finding("certificate", ok=False, says=str(error))
    ends = certificate.not_after
    if ends <= utc:
        return Finding("certificate", ok=False, says=f"expired at {ends:%Y-%m-%dT%H:%M:%SZ}")
    begins = certificate.not_before
    if utc < begins:
        return Finding("certificate", ok=False, says=f"not valid until {begins:%Y-%m-%dT%H:%M:%SZ}")
    if host is not None and not certificate.is_for(host):
        names = ", ".join(certificate.names) or "no name"
        return Finding("certificate", ok=False, says=f"is not for {host}, but for {names}")
    soon = ", which is soon" if ends - utc < EXPIRES_SOON else ""
    return Finding("certificate", ok=True, says=f"valid until {ends:%Y-%m-%dT%H:%M:%SZ}{soon}")


async def _redis(settings: AdmitterSettings) -> list[Finding]:
    tried = await try_admitter_operations(
        settings.redis, cluster=settings.cluster, tier=settings.default_tier
    )
    problems = redis_findings(tried)
    cached, problem = await read_decision(settings)
    if cached is None:
        return [Finding("decision", ok=False, says=problem or "none"), *problems]
    holding = [_holding(cached.decision)] if settings.hold.enabled else []
    return [_decision(settings, cached), *holding, *problems]


def _holding(decision: Decision) -> Finding:
    holds = {tier: entry.hold for tier, entry in decision.tiers.items() if entry.hold is not None}
    if not holds:
        says = (
            "the decision holds nothing: holding is off in the evaluator's configuration, or"
            " shield-controller has not reported yet"
        )
        return Finding("holding", ok=False, says=says)
    held = sum(hold.held for hold in holds.values())
    slots = min(hold.slots for hold in holds.values())
    if any(hold.stalled for hold in holds.values()):
        says = f"shield-controller has stopped reporting; {held:,.0f} runs may be held"
        return Finding("holding", ok=False, says=says)
    return Finding("holding", ok=True, says=f"{held:,.0f} runs are held, {slots:,.0f} more may be")


def _decision(settings: AdmitterSettings, cached: CachedDecision) -> Finding:
    state = freshness(cached, settings.policy().limits, now_ms=now_ms())
    seconds = cached.age_ms(now_ms()) / 1000
    says = f"{'admits' if cached.decision.allow else 'denies'}, {seconds:.0f} s old, {state.value}"
    return Finding("decision", ok=state is not Freshness.EXPIRED, says=says)
