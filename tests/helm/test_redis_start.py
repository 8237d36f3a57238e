"""The script that starts Redis: it hashes the passwords of the Secret into the users' file."""

import base64
import hashlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from tests.helm.chart import Chart, Rendered
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisOptions, RedisServer

PREFIX = "etcd-shield:{default}:"
PASSWORDS = {"evaluator-password": "first secret", "admitter-password": "second"}


def start(
    rendered: Rendered, directory: Path, passwords: Mapping[str, str], run: str
) -> subprocess.CompletedProcess[str]:
    """Run the script with its directories below `directory`, and `run` instead of redis-server."""
    files = rendered.one("ConfigMap", "etcd-shield-redis")["data"]
    for name in ("redis", "redis-passwords", "run"):
        (directory / name).mkdir()
    for name, text in files.items():
        (directory / "redis" / name).write_text(text)
    for name, text in passwords.items():
        (directory / "redis-passwords" / name).write_text(text)
    script = (
        files["start.sh"]
        .replace("/etc/redis", str(directory / "redis"))
        .replace("/run/redis", str(directory / "run"))
        .replace("exec redis-server", run)
    )
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )


def users(directory: Path) -> dict[str, list[str]]:
    lines = (directory / "run" / "users.acl").read_text().splitlines()
    return {line.split()[1]: line.split()[2:] for line in lines}


@pytest.mark.shows("trial T21")
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"], ids=repr)
def test_each_user_gets_the_hash_of_the_password_that_the_services_read(
    plain: Rendered, tmp_path: Path, ending: str
) -> None:
    passwords = {name: f"{text}{ending}" for name, text in PASSWORDS.items()}
    assert 0 == start(plain, tmp_path, passwords, run="true").returncode
    found = users(tmp_path)
    for user in ("evaluator", "admitter"):
        # The services strip white space from the file too.
        expected = hashlib.sha256(PASSWORDS[f"{user}-password"].encode()).hexdigest()
        assert f"#{expected}" in found[user]


def test_no_password_is_written_in_clear(plain: Rendered, tmp_path: Path) -> None:
    start(plain, tmp_path, PASSWORDS, run="true")
    text = (tmp_path / "run" / "users.acl").read_text()
    assert [] == [password for password in PASSWORDS.values() if password in text]
    assert "HASH" not in text


@pytest.mark.parametrize("password", ["", "\n", "  "], ids=repr)
def test_an_empty_password_ends_the_start(plain: Rendered, tmp_path: Path, password: str) -> None:
    done = start(plain, tmp_path, {**PASSWORDS, "admitter-password": password}, run="true")
    assert 0 != done.returncode
    assert "admitter-password is empty" in done.stderr
    assert not (tmp_path / "run" / "users.acl").exists()


def test_a_missing_password_ends_the_start(plain: Rendered, tmp_path: Path) -> None:
    only = {"admitter-password": "x"}
    assert 0 != start(plain, tmp_path, only, run="true").returncode
    assert not (tmp_path / "run" / "users.acl").exists()


@pytest.fixture
async def redis(chart: Chart, tmp_path: Path) -> AsyncIterator[RedisServer]:
    """Redis with the chart's configuration and users; only places differ."""
    rendered = chart.render({"hold": {"enabled": True}})
    passwords = {**PASSWORDS, "controller-password": "third"}
    assert 0 == start(rendered, tmp_path, passwords, run="true").returncode
    conf = rendered.one("ConfigMap", "etcd-shield-redis")["data"]["redis.conf"].splitlines()
    places = ("bind ", "port ", "dir ", "aclfile ")
    lines = [line for line in conf if not line.startswith(places)]
    async with Rig() as rig:
        options = RedisOptions(lines=[*lines, f"aclfile {tmp_path / 'run' / 'users.acl'}"])
        server = RedisServer(rig, options=options)
        await server.start()
        yield server


async def ask(server: RedisServer, user: str, *words: str) -> object:
    """Run one command as a user; what Redis forbids is returned as `forbidden`."""
    password = PASSWORDS.get(f"{user}-password", "third")
    async with Redis.from_url(server.url, username=user, password=password) as client:
        try:
            answer: object = await client.execute_command(*words)  # type: ignore[no-untyped-call]  # untyped in redis-py
        except NoPermissionError:
            return "forbidden"
    return answer


@pytest.mark.shows("trial T13")
@pytest.mark.parametrize(
    ("user", "command", "answer"),
    [
        ("admitter", f"HINCRBY {PREFIX}admitted standard 2", 2),
        ("admitter", f"HINCRBY {PREFIX}latches standard 1", "forbidden"),
        ("admitter", f"SET {PREFIX}admitted 1", "forbidden"),
        ("admitter", f"DEL {PREFIX}admitted", "forbidden"),
        ("admitter", f"SET {PREFIX}decision 1", "forbidden"),
        ("admitter", f"GET {PREFIX}decision", None),
        ("admitter", f"GET {PREFIX}override", "forbidden"),
        ("admitter", f"PUBLISH {PREFIX}decision x", "forbidden"),
        ("controller", f"SET {PREFIX}held x PX 30000", True),
        ("controller", f"HMGET {PREFIX}admitted held:standard", [None]),
        ("controller", f"GET {PREFIX}decision", None),
        ("controller", f"HINCRBY {PREFIX}admitted standard 1", "forbidden"),
        ("controller", f"SET {PREFIX}decision 1", "forbidden"),
        ("controller", f"GET {PREFIX}latches", "forbidden"),
        ("controller", f"PUBLISH {PREFIX}decision x", "forbidden"),
        ("evaluator", f"GET {PREFIX}held", None),
        ("evaluator", f"HGETALL {PREFIX}admitted", {}),
        ("evaluator", f"PUBLISH {PREFIX}decision x", 0),
        ("evaluator", f"EVAL return(redis.call('TIME')[1]~=nil) 1 {PREFIX}lease", 1),
        ("evaluator", "SET other 1", "forbidden"),
        ("evaluator", "CONFIG GET maxmemory", "forbidden"),
    ],
)
async def test_each_user_may_do_its_work_and_no_more(
    redis: RedisServer, user: str, command: str, answer: object
) -> None:
    assert answer == await ask(redis, user, *command.split())


@pytest.mark.parametrize("user", ["evaluator", "admitter"])
def test_the_secret_that_the_chart_makes_holds_a_strong_password(
    plain: Rendered, user: str
) -> None:
    data = plain.one("Secret", "etcd-shield-redis")["data"]
    assert {"evaluator-password", "admitter-password"} == set(data)
    assert len(base64.b64decode(data[f"{user}-password"])) >= 40
