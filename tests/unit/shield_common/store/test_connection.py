"""What a configuration may say about Redis."""

import pytest

from shield_common.config.loader import SettingsError, convert
from shield_common.store.settings import RedisSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "redis://redis"},
        {"url": "redis://redis:6379"},
        {"url": "redis://redis:6379/"},
        {"url": "redis://redis:6379/15"},
        {"url": "redis://user:p%40ss@redis:6379/0"},
        {"url": "redis://[::1]:6379/0"},
        {"url": "unix:///run/redis.sock"},
        {"url": "unix:///run/redis.sock?db=3"},
        {"url": "rediss://redis", "ca_file": "/ca", "cert_file": "/c", "key_file": "/k"},
        {"url": "redis://redis", "username": "u", "password_file": "/p"},
        {"url": "redis:///0", "sentinel": {"master": "m", "addresses": ["a:1", "[::1]:2"]}},
        {"url": "redis://redis", "cluster": True},
        {"url": "redis://redis", "timeout": "2s"},
    ],
)
def test_a_sensible_configuration_is_taken(settings: dict[str, object]) -> None:
    assert settings["url"] == convert(settings, RedisSettings).url


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "the key `url` is missing"),
        ({"url": "http://redis"}, "url: must begin with redis://"),
        ({"url": "redis:6379"}, "url: must begin with redis://"),
        ({"url": "redis://"}, "url: has no host"),
        ({"url": "redis://redis:99999"}, "url: the port is not a number"),
        ({"url": "redis://redis..svc"}, "url: the host is not a valid name"),
        (
            {"url": "redis:///0", "sentinel": {"master": "m", "addresses": ["a..b:1"]}},
            "addresses: 'a..b' cannot be a host",
        ),
        ({"url": "redis://redis/zero"}, "url: what follows the host must be a database"),
        ({"url": "redis://redis/0?socket_timeout=60"}, "url: takes no options"),
        ({"url": "rediss://redis/0?ssl_cert_reqs=none"}, "url: takes no options"),
        ({"url": "unix:///redis.sock?db=x"}, "url: takes no options"),
        ({"url": "redis://redis", "timeout": "3s"}, "timeout: must be above 0s and at most 2s"),
        ({"url": "redis://redis", "timeout": "0"}, "timeout: must be above 0s"),
        ({"url": "redis://redis", "ca_file": "/ca"}, "ca_file needs a rediss:// url"),
        ({"url": "rediss://redis", "cert_file": "/c"}, "cert_file and key_file go together"),
        ({"url": "redis://redis", "username": "u"}, "username needs password_file"),
        (
            {"url": "redis://:secret@redis", "password_file": "/p"},
            "password_file and a user or password in the url",
        ),
        (
            {
                "url": "redis://redis",
                "cluster": True,
                "sentinel": {"master": "m", "addresses": ["a:1"]},
            },
            "sentinel and cluster exclude each other",
        ),
        (
            {"url": "redis://redis", "sentinel": {"master": "m", "addresses": ["a"]}},
            "sentinel.addresses: 'a' is not host:port",
        ),
        (
            {"url": "redis://redis", "sentinel": {"master": "m", "addresses": []}},
            "sentinel.addresses: must not be empty",
        ),
    ],
)
def test_what_could_only_fail_later_is_refused_now(
    settings: dict[str, object], problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        convert(settings, RedisSettings)
    assert problem in str(caught.value)


@pytest.mark.parametrize("url", ["redis://:hunter2@", "redis://:hunter2@redis/x", "x://:hunter2@h"])
def test_no_refusal_shows_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        convert({"url": url}, RedisSettings)
    assert "hunter2" not in str(caught.value)
