"""Overrides from the command line to the denial that a requester reads."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

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


async def test_the_denial_says_who_overrides_why(clean: Site) -> None:
    await _deny(clean, "--tier", "standard")
    assert all("restore from backup" in answer.message for answer in await _answers(clean))


async def test_a_tier_that_is_not_named_goes_on(clean: Site) -> None:
    await _deny(clean, "--tier", "background")
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


async def test_an_allow_admits_what_the_shield_denies(clean: Site) -> None:
    before = [answer.allowed for answer in await _answers(clean, "bots")]
    ended = await run(*ALLOW, "--all", "--for", "5m", "--config", clean.config)
    assert 0 == ended.status, ended.err
    after = [answer.allowed for answer in await _answers(clean, "bots")]
    assert ([False, False], [True, True]) == (before, after)


async def test_clear_ends_it(clean: Site) -> None:
    await _deny(clean, "--all")
    ended = await run("override", "clear", "--config", clean.config)
    assert (0, "override cleared\n") == (ended.status, ended.out)
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


async def test_it_ends_by_itself(clean: Site) -> None:
    ended = await run(*DENY, "--all", "--for", "2s", "--config", clean.config)
    assert 0 == ended.status

    async def admitted_again() -> bool:
        return all(answer.allowed for answer in await _answers(clean))

    await wait_until(admitted_again, within=15, what="the override to end")


async def test_the_metric_counts_it(clean: Site) -> None:
    await _deny(clean, "--tier", "standard")
    shown = [
        await clean.evaluator.metric("etcd_shield_override_active", tier=tier)
        for tier in ("standard", "critical")
    ]
    assert [1.0, 0.0] == shown


async def test_the_evaluator_logs_who_and_why(clean: Site) -> None:
    await _deny(clean, "--all")
    log = clean.evaluator.log_tail(200)
    assert any("oncall" in line and "restore from backup" in line for line in log.splitlines())


async def test_the_status_page_has_it(clean: Site) -> None:
    await _deny(clean, "--all")
    decision = (await clean.evaluator.status())["decision"]
    assert "restore from backup" == decision["override"]["reason"]


async def test_show_tells_what_is_set(clean: Site) -> None:
    await _deny(clean, "--tier", "standard", "--tier", "critical")
    shown = (await run("override", "show", "--config", clean.config, "--output", "json")).document
    assert shown["in_force"]
    assert ["standard", "critical"] == shown["override"]["tiers"]
    assert "oncall" == shown["override"]["by"]
    assert 0 < shown["remaining_seconds"] <= 600


async def test_show_without_an_override(clean: Site) -> None:
    ended = await run("override", "show", "--config", clean.config)
    assert (0, "no override\n") == (ended.status, ended.out)


async def test_a_second_one_replaces_the_first_and_says_so(clean: Site) -> None:
    await _deny(clean, "--all")
    ended = await run(*ALLOW, "--all", "--for", "5m", "--config", clean.config)
    assert "replaced: deny all tiers" in ended.out
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


async def test_who_did_it_is_recorded_without_by(clean: Site) -> None:
    arguments = ("override", "allow", "--reason", "why", "--all", "--for", "1m")
    await run(*arguments, "--config", clean.config)
    shown = (await run("override", "show", "--config", clean.config, "--output", "json")).document
    assert shown["override"]["by"].strip()


async def test_a_deny_on_a_terminal_asks_and_no_changes_nothing(clean: Site) -> None:
    arguments = (*DENY, "--all", "--for", "10m", "--config", clean.config)
    ended = await run_on_terminal(*arguments, answer="n\n")
    assert 1 == ended.status
    assert "Deny all new runs of every tier in ops for 10m?" in ended.err
    assert [True, True] == [answer.allowed for answer in await _answers(clean)]


@pytest.mark.parametrize(
    ("arguments", "answer"), [((), "y\n"), (("--yes",), "")], ids=["answered yes", "--yes"]
)
async def test_a_deny_on_a_terminal_goes_ahead(
    clean: Site, arguments: tuple[str, ...], answer: str
) -> None:
    command = (*DENY, "--all", "--for", "10m", *arguments)
    ended = await run_on_terminal(*command, "--config", clean.config, answer=answer)
    assert 0 == ended.status, ended.err
    assert [False, False] == [answer.allowed for answer in await _answers(clean)]


async def test_without_redis_it_fails_in_one_line(clean: Site) -> None:
    gone = RedisServer(clean.rig, "gone")  # never started
    evaluator = Evaluator(clean.rig, evaluator_config(gone, clean.prometheus, 0.5), "lonely")
    evaluator.write()
    ended = await run(*DENY, "--all", "--for", "1m", "--config", evaluator.config_file)
    assert 1 == ended.status
    assert ended.err.startswith("shield-evaluator: Redis does not answer")
    assert 1 == ended.err.count("\n")


async def test_without_an_evaluator_it_is_stored_and_said_so(clean: Site) -> None:
    redis = RedisServer(clean.rig, "unwatched")
    await redis.start()
    evaluator = Evaluator(clean.rig, evaluator_config(redis, clean.prometheus, 0.5), "absent")
    evaluator.write()
    ended = await run(*DENY, "--all", "--for", "1m", "--config", evaluator.config_file)
    assert 4 == ended.status
    assert "no evaluator obeyed" in ended.err


async def test_a_prometheus_that_hangs_does_not_keep_an_override_waiting(clean: Site) -> None:
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
