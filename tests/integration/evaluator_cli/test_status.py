"""`shield-evaluator status` on a running installation, and on what is left of one."""

import pytest
from redis.asyncio import Redis

from tests.integration.evaluator_cli.command import interrupt, run, shown_on_terminal
from tests.integration.evaluator_cli.conftest import Site, evaluator_config
from tests.rig.redis import RedisServer
from tests.rig.services import Evaluator

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_admitting_is_exit_code_0(site: Site) -> None:
    ended = await run("status", "--config", site.config)
    assert 0 == ended.status, ended.err


async def test_denying_is_exit_code_3(site: Site) -> None:
    ended = await run("status", "--config", site.config, "--tier", "background")
    assert 3 == ended.status, ended.err


@pytest.mark.parametrize(
    "text",
    [
        "ops, tier standard: admitting",
        "background",
        "denies",
        "etcd is at 87.0% of its quota",
        "db-file",
        "admitters subscribed: 2",
        "override: none",
        "time to full: not growing",
        "lease: ",
    ],
)
async def test_the_status_table_shows(site: Site, text: str) -> None:
    ended = await run("status", "--config", site.config, "--output", "table")
    assert text in ended.out


async def test_on_a_terminal_the_output_is_a_table(site: Site) -> None:
    ended = await shown_on_terminal("status", "--config", site.config)
    assert "admitters subscribed: 2" in ended.out.splitlines()


async def test_without_a_terminal_the_output_is_json(site: Site) -> None:
    document = (await run("status", "--config", site.config)).document
    assert "admitting" == document["standing"]


async def test_json_has_the_decision(site: Site) -> None:
    document = (await run("status", "--config", site.config)).document
    assert {"critical", "standard", "background"} == document["decision"]["tiers"].keys()


async def test_json_has_the_number_of_admitters(site: Site) -> None:
    assert 2 == (await run("status", "--config", site.config)).document["admitters"]


async def test_json_has_the_lease_holder(site: Site) -> None:
    assert (await run("status", "--config", site.config)).document["lease_holder"]


async def test_json_has_the_age_of_the_decision(site: Site) -> None:
    assert 0 <= (await run("status", "--config", site.config)).document["age_seconds"] < 30


async def test_watch_reads_again_until_interrupted(site: Site) -> None:
    arguments = ("status", "--watch", "--config", site.config, "--output", "json")
    ended = await interrupt(*arguments, lines=2)
    assert (130, "shield-evaluator: interrupted\n") == (ended.status, ended.err)
    assert 2 <= len(ended.out.splitlines())


async def test_an_unknown_tier_is_exit_code_2_and_one_line(site: Site) -> None:
    ended = await run("status", "--config", site.config, "--tier", "gold")
    assert (2, 1) == (ended.status, ended.err.count("\n"))


async def test_an_empty_redis_is_exit_code_4(site: Site) -> None:
    redis = RedisServer(site.rig, "empty")
    await redis.start()
    evaluator = Evaluator(site.rig, evaluator_config(redis, site.prometheus, 0.5), "nobody")
    evaluator.write()
    ended = await run("status", "--config", evaluator.config_file)
    assert 4 == ended.status
    assert "absent" in ended.out


async def test_a_stale_decision_is_exit_code_4(site: Site) -> None:
    redis = RedisServer(site.rig, "forsaken")
    await redis.start()
    config = {**evaluator_config(redis, site.prometheus, 0.5), "interval": "1s"}
    evaluator = Evaluator(site.rig, config, "mortal")
    await evaluator.start()
    evaluator.freeze()
    async with Redis.from_url(redis.url) as client:
        # As if 100 s of the decision's 5 minutes were over.
        await client.pexpire("etcd-shield:{ops}:decision", 200_000)
    ended = await run("status", "--config", evaluator.config_file)
    assert 4 == ended.status
    assert "stale" in ended.out


async def test_without_redis_the_command_fails_in_one_line(site: Site) -> None:
    gone = RedisServer(site.rig, "gone")  # never started
    evaluator = Evaluator(site.rig, evaluator_config(gone, site.prometheus, 0.5), "lonely")
    evaluator.write()
    ended = await run("status", "--config", evaluator.config_file)
    assert (1, "", 1) == (ended.status, ended.out, ended.err.count("\n"))
