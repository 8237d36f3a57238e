"""``shield-admitter check``: whether an admitter with this configuration could do its work."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec
from msgspec import Struct

from shield_admitter.app import now_ms, utc_now
from shield_admitter.cli.options import config_option, load_settings, output_option, read_once
from shield_admitter.core.decision_age import Freshness, freshness
from shield_common.command_line import EXIT_FAILED
from shield_common.tls.contexts import ServerCertificate, TLSError

if TYPE_CHECKING:
    from datetime import datetime

    from shield_admitter.settings import AdmitterSettings

# The alert's threshold; a certificate that lives shorter is renewed by something that runs.
EXPIRES_SOON: Final = timedelta(days=7)


class Finding(Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        ok: whether an admitter can work with it.
        says: what was found, in words.
    """

    name: str
    ok: bool
    says: str


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Look at files alone, not at Redis.")
@output_option
def check(*, config: Path, offline: bool, output: str) -> None:
    """Look whether an admitter could do its work.

    Reads the configuration and the certificate, and asks Redis once for the decision.

    Exit codes: 0 it could, 1 something is in its way, 2 bad configuration or usage.
    """
    settings = load_settings(config)
    findings = [
        Finding("configuration", ok=True, says=str(config)),
        *_exemptions(settings, utc_now()),
        _certificate(settings, utc_now()),
    ]
    if not offline:
        findings.append(asyncio.run(_decision(settings)))
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for finding in findings:
            click.echo(f"{'ok' if finding.ok else 'FAILED':6}  {finding.name}: {finding.says}")
    sys.exit(0 if all(finding.ok for finding in findings) else EXIT_FAILED)


def _exemptions(settings: AdmitterSettings, utc: datetime) -> list[Finding]:
    return [
        Finding(
            f"exemptions[{position}]", ok=True, says=f"has expired at {rule.expires}: no effect"
        )
        for position, rule in enumerate(settings.exemptions)
        if rule.expires <= utc
    ]


def _certificate(settings: AdmitterSettings, utc: datetime) -> Finding:
    tls = settings.tls
    try:
        certificate = ServerCertificate(
            Path(tls.cert_file),
            Path(tls.key_file),
            client_ca_file=None if tls.client_ca_file is None else Path(tls.client_ca_file),
        )
    except TLSError as error:
        return Finding("certificate", ok=False, says=str(error))
    ends = certificate.not_after
    if ends <= utc:
        return Finding("certificate", ok=False, says=f"expired at {ends:%Y-%m-%dT%H:%M:%SZ}")
    soon = ", that is soon" if ends - utc < EXPIRES_SOON else ""
    return Finding("certificate", ok=True, says=f"valid until {ends:%Y-%m-%dT%H:%M:%SZ}{soon}")


async def _decision(settings: AdmitterSettings) -> Finding:
    held, problem = await read_once(settings, now_ms=now_ms)
    if held is None:
        return Finding("decision", ok=False, says=problem or "none")
    name = freshness(held, settings.policy().limits, now_ms=now_ms())
    seconds = held.age_ms(now_ms()) / 1000
    says = f"{'admits' if held.decision.allow else 'denies'}, {seconds:.0f} s old, {name.value}"
    return Finding("decision", ok=name is not Freshness.EXPIRED, says=says)
