"""Overrides from the command line to the denial that a requester reads."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from shield_common.decision import Override, encode_override
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.integration.evaluator_cli.command import Ended, run, run_on_terminal
from tests.integration.evaluator_cli.conftest import Site, evaluator_config
from tests.rig.prometheus import PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.server import start_all
from tests.rig.services import Evaluator
from tests.rig.waiting import wait_until
from tests.rig.webhook import Answer, ask

pytestmark = pytest.mark.asyncio(loop_scope="module")

DENY = ("override", "deny", "--reason", "restore from backup", "--by", "oncall")
ALLOW = ("override", "allow", "--reason", "release 4.2", "--by", "oncall")


@pytest_asyncio.fixture(loop_scope="module")
async def clean(site: Site) -> AsyncIterator[Site]:
    yield site
    store = RedisStore(RedisSettings(url=site.redis.url), cluster="ops")
    await store.clear_override()
    await store.close()


async def _deny(site: Site, *scope: str) -> Ended:
    return await run(*DENY, *scope, "--for", "10m", "--config", site.config)


async def _answers(site: Site, namespace: str = "default") -> list[Answer]:
    trust = site.authority.client_context()
    body = admission_review(ReviewRequest(namespace=namespace))
    return [await ask(site.rig.http, admitter.url, body, trust) for admitter in site.admitters]


async def test_a_deny_is_in_force_on_every_admitter_when_the_command_returns(clean: Site) -> None:
    ended = await _deny(clean, "--tier", "standard")
    assert 0 == ended.status, ended.err

    async def all_deny() -> bool:
        return not any(answer.allowed for answer in await _answers(clean))

    await wait_until(all_deny, within=10, what="every admitter to obey")


async def test_the_denial_contains_the_reason(clean: Site) -> None:
    await _deny(clean, "--tier", "standard")
    assert all("restore from backup" in answer.message for answer in await _answers(clean))


async def test_a_tier_that_is_not_named_is_not_overridden(clean: Site) -> None:
    await _deny(clean, "--tier", "background")
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


async def test_an_allow_admits_what_the_shield_denies(clean: Site) -> None:
    before = [answer.allowed for answer in await _answers(clean, "bots")]
    ended = await run(*ALLOW, "--all", "--for", "5m", "--config", clean.config)
    assert 0 == ended.status, ended.err
    after = [answer.allowed for answer in await _answers(clean, "bots")]
    assert ([False, False], [True, True]) == (before, after)


async def test_clear_ends_the_override(clean: Site) -> None:
    await _deny(clean, "--all")
    ended = await run("override", "clear", "--config", clean.config)
    assert (0, "override cleared\n") == (ended.status, ended.out)
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


async def test_the_override_ends_after_its_time(clean: Site) -> None:
    ended = await run(*DENY, "--all", "--for", "2s", "--config", clean.config)
    assert 0 == ended.status

    async def admitted_again() -> bool:
        return all(answer.allowed for answer in await _answers(clean))

    await wait_until(admitted_again, within=15, what="the override to end")


async def test_the_metric_shows_the_tiers_that_are_overridden(clean: Site) -> None:
    await _deny(clean, "--tier", "standard")
    shown = [
        await clean.evaluator.metric("etcd_shield_override_active", tier=tier)
        for tier in ("standard", "critical")
    ]
    assert [1.0, 0.0] == shown


async def test_the_evaluator_logs_author_and_reason(clean: Site) -> None:
    await _deny(clean, "--all")

    def logged() -> bool:
        lines = clean.evaluator.log_tail(200).splitlines()
        return any("oncall" in line and "restore from backup" in line for line in lines)

    await wait_until(logged, within=30, what="author and reason in the log")


async def test_status_over_http_has_the_override(clean: Site) -> None:
    await _deny(clean, "--all")
    decision = (await clean.evaluator.status())["decision"]
    assert "restore from backup" == decision["override"]["reason"]


async def _shown(site: Site) -> Any:
    return (await run("override", "show", "--config", site.config, "--output", "json")).document


async def test_show_has_tiers_and_author(clean: Site) -> None:
    await _deny(clean, "--tier", "standard", "--tier", "critical")
    override = (await _shown(clean))["override"]
    assert (["standard", "critical"], "oncall") == (override["tiers"], override["by"])


async def test_show_says_that_the_override_is_in_force(clean: Site) -> None:
    await _deny(clean, "--all")
    assert (await _shown(clean))["in_force"]


async def test_show_has_the_remaining_time(clean: Site) -> None:
    await _deny(clean, "--all")
    assert 0 < (await _shown(clean))["remaining_seconds"] <= 600


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202ewolla\nstandard: admitting"


async def _set_by_another_program(site: Site) -> None:
    now = datetime.now(UTC)
    until = now + timedelta(minutes=5)
    override = Override(allow=False, reason=HOSTILE, by=HOSTILE, since=now, until=until)
    store = RedisStore(RedisSettings(url=site.redis.url), cluster="ops")
    await store.put_override(encode_override(override), 300_000)
    await store.close()


@pytest.mark.shows("trial S10")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("override", "show"), id="override show"),
        pytest.param(("override", "show", "--output", "json"), id="override show as JSON"),
        pytest.param(("status", "--output", "table"), id="status"),
        pytest.param(("status", "--output", "json"), id="status as JSON"),
    ],
)
async def test_terminal_escapes_in_a_reason_are_shown_not_sent(
    clean: Site, command: tuple[str, ...]
) -> None:
    await _set_by_another_program(clean)
    out = (await run(*command, "--config", clean.config)).out
    sent = [c for c in out if not c.isprintable() and c != "\n"]
    assert ([], True) == (sent, "]0;owned" in out)


async def test_show_says_that_there_is_no_override(clean: Site) -> None:
    ended = await run("override", "show", "--config", clean.config)
    assert (0, "no override\n") == (ended.status, ended.out)


async def test_a_second_override_replaces_the_first(clean: Site) -> None:
    await _deny(clean, "--all")
    ended = await run(*ALLOW, "--all", "--for", "5m", "--config", clean.config)
    assert "replaced: deny all tiers" in ended.out
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


async def test_without_by_the_author_is_the_user(clean: Site) -> None:
    arguments = ("override", "allow", "--reason", "why", "--all", "--for", "1m")
    await run(*arguments, "--config", clean.config)
    assert (await _shown(clean))["override"]["by"].strip()


async def test_a_deny_on_a_terminal_changes_nothing_after_no(clean: Site) -> None:
    arguments = (*DENY, "--all", "--for", "10m", "--config", clean.config)
    ended = await run_on_terminal(*arguments, answer="n\n")
    assert 1 == ended.status
    assert "Deny all new runs of every tier in ops for 10m?" in ended.err
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


@pytest.mark.parametrize(
    ("arguments", "answer"), [((), "y\n"), (("--yes",), "")], ids=["answered yes", "--yes"]
)
async def test_a_deny_on_a_terminal_is_set_after_yes(
    clean: Site, arguments: tuple[str, ...], answer: str
) -> None:
    command = (*DENY, "--all", "--for", "10m", *arguments)
    ended = await run_on_terminal(*command, "--config", clean.config, answer=answer)
    assert 0 == ended.status, ended.err
    assert [False, False] == [answer.allowed for answer in await _answers(clean)]


async def test_without_redis_the_override_fails_in_one_line(clean: Site) -> None:
    gone = RedisServer(clean.rig, "gone")  # never started
    evaluator = Evaluator(clean.rig, evaluator_config(gone, clean.prometheus, 0.5), "lonely")
    evaluator.write()
    ended = await run(*DENY, "--all", "--for", "1m", "--config", evaluator.config_file)
    assert 1 == ended.status
    assert ended.err.startswith("shield-evaluator: Redis does not answer")
    assert 1 == ended.err.count("\n")


async def test_without_an_evaluator_the_override_is_exit_code_4(clean: Site) -> None:
    redis = RedisServer(clean.rig, "unwatched")
    await redis.start()
    evaluator = Evaluator(clean.rig, evaluator_config(redis, clean.prometheus, 0.5), "absent")
    evaluator.write()
    ended = await run(*DENY, "--all", "--for", "1m", "--config", evaluator.config_file)
    assert 4 == ended.status
    assert "no evaluator obeyed" in ended.err


async def test_an_override_does_not_wait_for_a_prometheus_that_hangs(clean: Site) -> None:
    redis, prometheus = RedisServer(clean.rig, "own"), PrometheusServer(clean.rig, "hanging")
    await start_all(redis, prometheus)
    # A cycle that may wait for almost ten minutes: far longer than the command does.
    config = {**evaluator_config(redis, prometheus, 0.5), "interval": "10m", "ttl": "30m"}
    evaluator = Evaluator(clean.rig, {**config, "lease_ttl": "30m"}, "waiting")
    await evaluator.start()
    prometheus.freeze()
    evaluator.config = {**evaluator.config, "blind_after": "3m"}
    evaluator.write()  # it begins a cycle at once

    async def in_the_cycle() -> bool:
        return "configuration in force" in evaluator.log_tail(50)

    await wait_until(in_the_cycle, within=30, what="the cycle that hangs")
    ended = await run(*DENY, "--all", "--for", "1m", "--config", evaluator.config_file)
    assert 0 == ended.status, ended.err
