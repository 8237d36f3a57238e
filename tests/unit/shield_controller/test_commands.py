"""What the operator's commands say, without the servers that they ask."""

import pytest

from shield_controller.cli.check import namespace_findings
from shield_controller.cli.queue import queued, summary
from shield_controller.cli.release import release_one
from shield_controller.kubernetes.access import needed_rights
from shield_controller.settings import (
    ControllerSettings,
    HoldSettings,
    LeaderElectionSettings,
    PublishSettings,
)
from tests.unit.shield_controller.builders import NOON, run, settings
from tests.unit.shield_controller.fakes import GONE, FakeRuns

ELECTION = LeaderElectionSettings(enabled=True)
NO_HOLDING = HoldSettings(enabled=False)


async def test_a_run_that_is_deleted_while_it_is_released_was_not_started() -> None:
    runs = FakeRuns()
    runs.add(run("one"))
    runs.patch_faults.append(GONE)

    assert (0, ["there is no run team-a/one"]) == await release_one(runs, "team-a", "one")  # type: ignore[arg-type]  # the part that it needs


async def test_a_run_that_is_released_was_started() -> None:
    runs = FakeRuns()
    runs.add(run("one"))

    assert (1, []) == await release_one(runs, "team-a", "one")  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("checked", "keys"),
    [
        (settings(leader_election=ELECTION), ["leader_election.namespace"]),
        (settings(publish=PublishSettings(kubernetes=True)), ["publish.namespace"]),
        (settings(publish=PublishSettings(config_map="decision")), ["publish.namespace"]),
        (settings(publish=PublishSettings(kubernetes=True, namespace="shield")), []),
        (settings(), []),
    ],
    ids=["lease", "decision", "config map", "set", "not needed"],
)
def test_check_fails_for_a_namespace_that_is_neither_set_nor_the_pod_s(
    checked: ControllerSettings, keys: list[str]
) -> None:
    assert keys == [finding.name for finding in namespace_findings(checked, own=None)]
    assert [] == [each for each in namespace_findings(checked, own=None) if each.ok]
    assert [] == namespace_findings(checked, own="shield")


def test_check_asks_for_no_right_in_a_namespace_that_is_not_known() -> None:
    publish = PublishSettings(kubernetes=True, config_map="decision")
    checked = settings(hold=NO_HOLDING, leader_election=ELECTION, publish=publish)

    assert [] == list(needed_rights(checked, namespace=None))
    assert {"shield"} == {each.namespace for each in needed_rights(checked, namespace="shield")}


@pytest.mark.parametrize(
    ("namespace", "said"),
    [
        ("team-a", "2 runs are held in team-a."),
        ("team-b", "1 run is held in team-b."),
        ("team-c", "No run is held in team-c."),
        (None, "3 runs are held."),
    ],
)
def test_the_summary_of_a_queue_counts_what_is_shown(namespace: str | None, said: str) -> None:
    runs = [run("one"), run("two"), run("three", namespace="team-b")]
    rows = queued(runs, None, None, now=NOON)
    shown = [row for row in rows if namespace in {None, row.namespace}]

    assert said == summary(shown, namespace, None)
