"""Which keys of the evaluator's settings need a restart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_common.config.loader import load
from shield_common.config.reload import SettingsReloader
from shield_evaluator.settings import RESTART_KEYS, EvaluatorSettings
from tests.unit.shield_evaluator.documents import minimal


async def reloaded(path: Path, change: dict[str, Any]) -> tuple[list[str], str | None]:
    path.write_text(yaml.safe_dump(minimal()))
    results: list[str] = []
    reloader = SettingsReloader(
        path,
        load(path, EvaluatorSettings, environment={}),
        restart_keys=RESTART_KEYS,
        environment={},
        apply_settings=lambda _settings: None,
        on_result=results.append,
    )
    path.write_text(yaml.safe_dump(minimal() | change))
    await reloader.reload()
    return results, reloader.problem


@pytest.mark.parametrize(
    ("change", "key"),
    [
        pytest.param({"cluster": "other"}, "cluster", id="cluster"),
        pytest.param({"redis": {"url": "redis://other:6379/0"}}, "redis", id="redis"),
        pytest.param({"metrics": {"listen": "127.0.0.1:1"}}, "metrics.listen", id="metrics"),
        pytest.param({"log": {"format": "json"}}, "log.format", id="log format"),
    ],
)
async def test_e8_a_key_that_needs_a_restart(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    assert (["restart_needed"], f"{key} cannot change without a restart") == await reloaded(
        tmp_path / "evaluator.yaml", change
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"interval": "6s"}, id="interval"),
        pytest.param({"log": {"level": "debug"}}, id="log level"),
        pytest.param({"prometheus": {"urls": ["http://other:9090"]}}, id="prometheus"),
    ],
)
async def test_a_key_that_changes_while_running(tmp_path: Path, change: dict[str, Any]) -> None:
    assert (["success"], None) == await reloaded(tmp_path / "evaluator.yaml", change)
