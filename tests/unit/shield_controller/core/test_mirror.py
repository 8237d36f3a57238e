"""The decision as Kubernetes objects."""

import pytest
from msgspec.structs import replace

from shield_controller.core.mirror import bits, config_map, decision_object
from tests.unit.shield_controller.builders import decision, tier

REASON = "etcd is at 93.4% of its quota"
DENYING = decision(
    allow=False,
    standard=tier(allow=False, reason=REASON, value=0.934),
    critical=tier(allow=True, value=0.5),
)


def test_the_object_says_what_a_policy_reads() -> None:
    shown = decision_object(DENYING, namespace="shield", name="decision")

    assert {"name": "decision", "namespace": "shield"} == shown["metadata"]
    assert {
        "evaluatedAt": "2026-11-21T12:00:00Z",
        "ttlSeconds": 300,
        "allow": False,
        "reason": REASON,
        "usage": "93.4%",
        "tiers": {
            "standard": {"allow": False, "reason": REASON, "value": 0.934},
            "critical": {"allow": True, "reason": "", "value": 0.5},
        },
    } == shown["spec"]


def test_the_config_map_is_text() -> None:
    shown = config_map(DENYING, namespace="shield", name="etcd-shield-decision")

    assert {
        "allow": "0",
        "default": "deny",
        "standard": "deny",
        "critical": "allow",
        "reason.standard": REASON,
        "evaluatedAt": "2026-11-21T12:00:00Z",
        "ttl": "300s",
    } == shown["data"]


@pytest.mark.parametrize("name", ["allow", "default", "ttl", "evaluatedAt"])
def test_a_tier_cannot_take_the_place_of_a_fixed_key(name: str) -> None:
    plain = config_map(decision(), namespace="n", name="n")["data"]
    shown = config_map(
        replace(decision(), tiers={name: tier(allow=False)}), namespace="n", name="n"
    )["data"]

    assert plain[name] == shown[name]


def test_a_reason_is_not_longer_than_the_definition_allows() -> None:
    long = decision(standard=tier(allow=False, reason="x" * 1_000))

    assert 400 == len(decision_object(long, namespace="n", name="n")["spec"]["reason"])


def test_another_reason_or_value_is_no_other_decision() -> None:
    later = decision(
        2,
        allow=False,
        standard=tier(allow=False, reason="etcd is at 95%", value=0.95),
        critical=tier(allow=True),
    )

    assert bits(DENYING) == bits(later)


@pytest.mark.parametrize(
    "other",
    [
        decision(allow=True, standard=tier(allow=False), critical=tier(allow=True)),
        decision(allow=False, standard=tier(allow=True), critical=tier(allow=True)),
        decision(allow=False, standard=tier(allow=False)),
    ],
    ids=["default bit", "bit of a tier", "a tier less"],
)
def test_another_bit_is_another_decision(other: object) -> None:
    assert bits(DENYING) != bits(other)  # type: ignore[arg-type]  # a parameter
