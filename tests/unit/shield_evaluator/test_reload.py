"""A changed configuration file: what is taken over, what is refused, what needs a restart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_common.config.loader import load
from shield_common.filewatch import FileWatch
from shield_evaluator.reload import Reloader
from shield_evaluator.settings import EvaluatorSettings
from tests.unit.shield_evaluator.documents import minimal


class Installation:
    """A configuration file, and what came of reading it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(minimal())
        self.applied: list[EvaluatorSettings] = []
        self.results: list[str] = []
        self.reloader = Reloader(
            path,
            load(path, EvaluatorSettings, environment={}),
            environment={},
            apply=self.applied.append,
            on_result=self.results.append,
        )

    def write(self, document: dict[str, Any]) -> None:
        self.path.write_text(yaml.safe_dump(document))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "evaluator.yaml")


async def test_another_threshold_is_taken_over(installation: Installation) -> None:
    document = minimal()
    document["tiers"]["standard"]["db-file"]["set"] = 0.95
    installation.write(document)
    await installation.reloader.reload()
    assert ["success"] == installation.results
    assert 0.95 == installation.applied[0].tiers["standard"]["db-file"].set


async def test_a_file_that_says_the_same_changes_nothing(installation: Installation) -> None:
    installation.path.write_text("# reviewed\n" + installation.path.read_text())
    await installation.reloader.reload()
    assert (["success"], []) == (installation.results, installation.applied)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("tiers: [", id="no YAML"),
        pytest.param("cluster: c1\n", id="incomplete"),
    ],
)
async def test_e8_a_bad_file_keeps_the_old_one(installation: Installation, content: str) -> None:
    installation.path.write_text(content)
    await installation.reloader.reload()
    assert (["failure"], []) == (installation.results, installation.applied)


async def test_e8_a_missing_file_keeps_the_old_one(installation: Installation) -> None:
    installation.path.unlink()
    await installation.reloader.reload()
    assert (["failure"], []) == (installation.results, installation.applied)


async def test_a_problem_is_shown_until_the_file_is_good_again(installation: Installation) -> None:
    installation.path.write_text("")
    await installation.reloader.reload()
    assert "must hold a mapping" in (installation.reloader.problem or "")
    installation.write(minimal())
    await installation.reloader.reload()
    assert None is installation.reloader.problem


@pytest.mark.parametrize(
    ("change", "key"),
    [
        pytest.param({"cluster": "other"}, "cluster", id="cluster"),
        pytest.param({"redis": {"url": "redis://other:6379/0"}}, "redis", id="redis"),
        pytest.param({"metrics": {"listen": "127.0.0.1:1"}}, "metrics.listen", id="metrics"),
        pytest.param({"log": {"format": "json"}}, "log.format", id="log format"),
    ],
)
async def test_what_needs_a_restart_is_named_and_nothing_of_the_file_counts(
    installation: Installation, change: dict[str, Any], key: str
) -> None:
    installation.write(minimal() | {"interval": "6s"} | change)
    await installation.reloader.reload()
    assert (["restart_needed"], []) == (installation.results, installation.applied)
    assert f"{key} cannot change without a restart" == installation.reloader.problem


async def test_a_swapped_symlink_is_noticed(tmp_path: Path) -> None:
    # The kubelet's way: the file is a link into ..data, which is a link that is replaced.
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
    installation = Installation(tmp_path / "v1" / "evaluator.yaml")
    installation.path = tmp_path / "v2" / "evaluator.yaml"
    installation.write(minimal() | {"interval": "6s"})
    data = tmp_path / "..data"
    data.symlink_to("v1")
    mounted = tmp_path / "evaluator.yaml"
    mounted.symlink_to("..data/evaluator.yaml")
    reloader = Reloader(
        mounted,
        load(mounted, EvaluatorSettings, environment={}),
        environment={},
        apply=installation.applied.append,
        on_result=installation.results.append,
    )
    watch = FileWatch([mounted], reloader.reload)
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to("v2")
    fresh.replace(data)
    assert await watch.poll()
    assert [6.0] == [settings.interval for settings in installation.applied]
