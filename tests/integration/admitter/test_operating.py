"""What an operator does: changes the file while it runs, and asks what would happen."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.admitter.site import Site
from tests.rig.commands import run
from tests.rig.services import service_script

MANIFEST = """
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {generateName: run-, namespace: team-releng, labels: {started: 2026-11-21}}
"""
RULES = [{"tier": "critical", "namespaces": ["*-releng"]}]


async def command(site: Site, name: str, *arguments: str) -> tuple[int, str, str]:
    config = ("--config", site.admitter.config_file)
    ended = await run(service_script("shield-admitter"), name, *config, *arguments)
    return ended.status, ended.out, ended.err


@pytest.fixture
def manifest(site: Site) -> Path:
    path = site.rig.directory / "run.yaml"
    path.write_text(MANIFEST)
    return path


async def test_a_changed_mode_is_taken_up_while_running(site: Site) -> None:
    await site.publisher.publish(allow=False)
    await site.admitter.start()
    assert not await site.allowed()
    site.admitter.config["mode"] = "warn"
    site.admitter.write()
    await site.until_metric("config_reloads_total", 1.0, result="success")
    assert await site.allowed()


async def test_e8_a_bad_new_file_keeps_the_old_one_and_is_counted(site: Site) -> None:
    await site.publisher.publish(allow=False)
    await site.admitter.start()
    site.admitter.config["mode"] = "deny"
    site.admitter.write()
    await site.until_metric("config_reloads_total", 1.0, result="failure")
    assert not await site.allowed()
    (line,) = await site.logged("configuration refused")
    assert "mode: 'deny' is not one of" in line["problem"]


async def test_e8_a_file_that_needs_a_restart_is_not_applied_in_part(site: Site) -> None:
    await site.publisher.publish(allow=False)
    await site.admitter.start()
    site.admitter.config |= {"max_connections": 99, "mode": "warn"}
    site.admitter.write()
    await site.until_metric("config_reloads_total", 1.0, result="restart_needed")
    assert not await site.allowed()
    (line,) = await site.logged("configuration refused")
    assert "max_connections cannot change without a restart" == line["problem"]


@pytest.mark.parametrize(
    ("namespace", "code", "tier", "rule"),
    [(None, 0, "critical", "tiers[0]"), ("team", 3, "standard", None)],
    ids=["of the object", "given"],
)
async def test_explain_shows_the_verdict_and_its_rule(
    site: Site, manifest: Path, namespace: str | None, code: int, tier: str, rule: str | None
) -> None:
    site.admitter.config["tiers"] = RULES
    site.admitter.write()
    await site.publisher.publish(allow=False)
    given = [] if namespace is None else ["--namespace", namespace]
    status, out, err = await command(
        site, "explain", "-f", str(manifest), "--user", "ada", "--output", "json", *given
    )
    found: dict[str, Any] = json.loads(out)
    path = (found["tier_rule"] or {}).get("path")
    assert (code, "", tier, rule) == (status, err, found["tier"], path)


async def test_explain_reports_that_redis_is_away(site: Site, manifest: Path) -> None:
    site.admitter.write()
    site.redis.kill()
    status, out, _ = await command(site, "explain", "-f", str(manifest))
    assert 0 == status
    assert "Admitted: there is no current decision, and on_unknown is allow." in out
    assert "Redis does not answer" in out


async def test_explain_accepts_json_indented_with_tabs(site: Site, manifest: Path) -> None:
    site.admitter.write()
    await site.publisher.publish(allow=False)
    manifest.write_text(json.dumps({"kind": "PipelineRun", "metadata": {}}, indent="\t"))
    status, _, err = await command(site, "explain", "-f", str(manifest))
    assert (3, "") == (status, err)


async def test_explain_refuses_unknown_operations(site: Site, manifest: Path) -> None:
    site.admitter.write()
    status, _, err = await command(site, "explain", "-f", str(manifest), "--operation", "create")
    assert 2 == status
    assert "'CREATE', 'UPDATE', 'DELETE', 'CONNECT'" in err


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- 1",
        "metadata: {}",
        "kind: PipelineRun\nmetadata: 3",
        "kind: PipelineRun\nmetadata: {namespace: 5}",
        "kind: PipelineRun\nspec: &a [*a]",
        'kind: PipelineRun\nspec: "\\ud800"',
        "kind: PipelineRun\nspec: " + "[" * 3_000 + "]" * 3_000,
    ],
    ids=[
        "malformed",
        "list",
        "no kind",
        "odd metadata",
        "number as namespace",
        "part of itself",
        "lone surrogate",
        "3,000 levels",
    ],
)
async def test_explain_refuses_a_file_that_is_no_object(
    site: Site, manifest: Path, text: str
) -> None:
    site.admitter.write()
    manifest.write_text(text)
    status, _, err = await command(site, "explain", "-f", str(manifest))
    assert (2, 1) == (status, err.count("\n"))


async def test_check_passes_when_nothing_is_missing(site: Site) -> None:
    site.admitter.write()
    await site.publisher.publish(allow=False)
    status, out, _ = await command(site, "check")
    assert 0 == status
    assert "decision: denies" in out


async def test_check_reports_a_certificate_for_another_name(site: Site) -> None:
    site.admitter.write()
    await site.publisher.publish(allow=False)
    status, out, _ = await command(site, "check", "--host", "shield.other.svc")
    assert 1 == status
    assert "certificate: is not for shield.other.svc, but for " in out


@pytest.mark.shows("trial S11")
async def test_check_reports_a_certificate_of_tomorrow(site: Site) -> None:
    site.admitter.write()
    await site.publisher.publish(allow=False)
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    site.authority.server(not_before=tomorrow)
    status, out, _ = await command(site, "check")
    assert 1 == status
    assert f"certificate: not valid until {tomorrow:%Y-%m-%dT%H:%M:%SZ}" in out


async def test_check_does_not_change_the_counters(site: Site) -> None:
    site.admitter.write()
    await site.publisher.publish(allow=False)
    await site.publisher.store.add_admitted({"standard": 3})
    await command(site, "check")
    assert {"standard": 3} == (await site.publisher.store.read_admitted()).totals


async def test_check_names_every_problem(site: Site) -> None:
    site.admitter.write()
    site.admitter.certificate.key_file.write_text("no key")
    status, out, _ = await command(site, "check", "--output", "json")
    findings = {finding["name"]: finding["ok"] for finding in json.loads(out)}
    assert (1, {"configuration": True, "certificate": False, "decision": False}) == (
        status,
        findings,
    )


async def test_e8_a_bad_configuration_is_exit_2_and_one_line(site: Site) -> None:
    site.admitter.config["modus"] = "warn"
    site.admitter.write()
    for name in ("run", "check"):
        status, _, err = await command(site, name)
        assert (2, 1) == (status, err.count("\n"))
        assert "unknown key `modus`" in err
