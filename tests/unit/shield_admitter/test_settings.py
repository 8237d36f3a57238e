"""What a configuration file may say, and what is said about mistakes (E8)."""

from textwrap import dedent

import pytest

from shield_admitter.core.verdict import Mode
from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import SettingsError, parse

MINIMAL = """
cluster: rh01
tls: {cert_file: cert.pem, key_file: key.pem}
redis: {url: "redis://redis:6379/0"}
"""


def settings(more: str = "", **environment: str) -> AdmitterSettings:
    return parse(
        MINIMAL + dedent(more), AdmitterSettings, source="admitter.yaml", environment=environment
    )


def test_cluster_and_certificate_are_enough() -> None:
    policy = settings().policy()
    assert (Mode.ENFORCE, "standard", True) == (
        policy.mode,
        policy.default_tier,
        policy.allow_unknown,
    )
    assert frozenset({"CREATE"}) == policy.operations
    assert (30_000, 300_000) == (policy.limits.stale_after_ms, policy.limits.expired_after_ms)


def test_the_sample_of_the_documentation_is_valid() -> None:
    policy = settings(
        """
        mode: enforce
        tiers:
          - {tier: critical, namespaces: ["*-releng"]}
          - {tier: background, namespaces: [mintmaker]}
        default_tier: standard
        retry_after:
          - {seconds: 30, users: ["system:serviceaccount:*:pipelines-as-code-controller"]}
        freshness: {stale_after: 30s, expired_after: 5m, on_unknown: allow}
        """
    ).policy()
    assert ["critical", "background"] == [rule.tier for rule in policy.tier_rules]
    assert [0, 1] == [rule.index for rule in policy.tier_rules]
    assert 30 == policy.retry_rules[0].seconds


def test_a_tier_can_have_its_own_mode() -> None:
    policy = settings("tier_modes: {standard: off}").policy()
    assert {"standard": Mode.OFF} == policy.tier_modes


def test_the_environment_names_redis() -> None:
    given = settings(SHIELD_REDIS_URL="redis://elsewhere:6379/0")
    assert "redis://elsewhere:6379/0" == given.redis.url


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("modus: warn", "unknown key `modus`"),
        ("mode: deny", "mode: 'deny' is not one of audit, enforce, off, warn"),
        ("tier_modes: {gold: warn}", "tier_modes.gold: no rule sets a tier of that name"),
        ("tier_modes: {standard: no}", "tier_modes.standard: 'no' is not one of"),
        ("tiers: [{tier: gold}]", "tiers[0]: needs at least one of namespaces, users, groups"),
        ("tiers: [{namespaces: [a]}]", "tiers[0]: the key `tier` is missing"),
        ("tiers: [{tier: g, namespace: [a]}]", "tiers[0]: unknown key `namespace`"),
        ("tiers: [{tier: 'a b', users: [x]}]", "tiers[0].tier: must be 1 to 63 letters"),
        ("tiers: [{tier: g, users: ['']}]", "tiers[0].users[0]: must not be empty"),
        ("tiers: [{tier: g, users: x}]", "tiers[0].users: must be a list, not text"),
        (
            "exemptions: [{users: [a], expires: '2030-01-01T00:00:00Z'}]",
            "exemptions[0]: the key `reason` is missing",
        ),
        (
            "exemptions: [{users: [a], reason: r}]",
            "exemptions[0]: the key `expires` is missing",
        ),
        (
            "exemptions: [{users: [a], reason: r, expires: '2030-01-01T00:00:00'}]",
            "exemptions[0].expires: must be a time such as 2026-12-01T00:00:00Z",
        ),
        (
            "exemptions: [{reason: r, expires: '2030-01-01T00:00:00Z'}]",
            "exemptions[0]: needs at least one of",
        ),
        ("retry_after: [{seconds: 0, users: [a]}]", "retry_after[0].seconds: must be at least 1"),
        (
            "retry_after: [{seconds: 999, users: [a]}]",
            "retry_after[0].seconds: must be at most 300",
        ),
        ("freshness: {stale_after: 5m}", "freshness: stale_after must be above 0s and below"),
        ("freshness: {stale_after: 30}", "freshness.stale_after: must be a duration such as 15s"),
        (
            "freshness: {on_unknown: maybe}",
            "freshness.on_unknown: 'maybe' is not one of allow, deny",
        ),
        ("denial: {code: 503}", "denial.code: 503 is not one of 403, 429"),
        ("denial: {url: 'ftp://x'}", "denial.url: must be an http:// or https:// URL"),
        ('denial: {url: "https://x/\\n"}', "denial.url: must be an http:// or https:// URL"),
        ('default_tier: "gold\\n"', "default_tier: must be 1 to 63 letters"),
        ("listen: '8443'", "listen: '8443' is not host:port"),
        ("metrics: {listen: 'x:99999'}", "metrics.listen: 'x:99999' is not host:port"),
        ("refresh: 0s", "refresh: must be above 0s"),
        ("max_body: 1Ki", "max_body: must be at least 65536 bytes"),
        ("max_body: much", "max_body: 'much' is not a size"),
        ("operations: []", "operations: must not be empty"),
        ("operations: [PATCH]", "operations[0]: 'PATCH' is not one of"),
        ("kinds: []", "kinds: must not be empty"),
        ("drain: -1s", "drain: '-1s' is not a duration"),
        ("max_connections: 0", "max_connections: must be at least 16"),
    ],
)
def test_e8_a_mistake_is_named_with_its_place(more: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(more)
    assert str(caught.value).startswith("admitter.yaml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file must hold a mapping, not nothing"),
        ("[]", "the file must hold a mapping, not a list"),
        ("a: [", "not YAML"),
        ("cluster: a\ncluster: b", "key 'cluster' is a duplicate"),
        ("cluster: a", "the key `tls` is missing"),
        (MINIMAL.replace("rh01", "a/b"), "cluster: must be 1 to 63 letters"),
        (MINIMAL.replace("rh01", r'"rh01\n"'), "cluster: must be 1 to 63 letters"),
        (MINIMAL.replace("redis://", "http://"), "redis.url: must begin with redis://"),
        (
            MINIMAL.replace("key.pem}", "key.pem, client_names: [a]}"),
            "tls: client_names needs client_ca_file",
        ),
    ],
    ids=[
        "empty",
        "list",
        "no YAML",
        "twice",
        "no tls",
        "odd cluster",
        "cluster, 2 lines",
        "odd url",
        "names alone",
    ],
)
def test_e8_a_file_that_is_no_configuration_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, AdmitterSettings, source="admitter.yaml", environment={})
    assert message in str(caught.value)
