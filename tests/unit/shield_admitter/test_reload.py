"""Which keys of the admitter's settings need a restart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_admitter.settings import RESTART_KEYS, AdmitterSettings
from shield_common.config.loader import load
from shield_common.config.reload import SettingsReloader

MINIMAL: dict[str, Any] = {
    "cluster": "rh01",
    "tls": {"cert_file": "cert.pem", "key_file": "key.pem"},
    "redis": {"url": "redis://redis:6379/0"},
}


async def reloaded(path: Path, change: dict[str, Any]) -> tuple[list[str], str | None]:
    path.write_text(yaml.safe_dump(MINIMAL))
    results: list[str] = []
    reloader = SettingsReloader(
        path,
        load(path, AdmitterSettings, environment={}),
        restart_keys=RESTART_KEYS,
        environment={},
        apply_settings=lambda _settings: None,
        on_result=results.append,
    )
    path.write_text(yaml.safe_dump(MINIMAL | change))
    await reloader.reload()
    return results, reloader.problem


@pytest.mark.parametrize(
    ("change", "key"),
    [
        pytest.param({"cluster": "other"}, "cluster", id="cluster"),
        pytest.param({"listen": "127.0.0.1:1"}, "listen", id="listen"),
        pytest.param(
            {"tls": {"cert_file": "other.pem", "key_file": "key.pem"}}, "tls", id="certificate"
        ),
        pytest.param({"redis": {"url": "redis://other:6379/0"}}, "redis", id="redis"),
        pytest.param({"metrics": {"listen": "127.0.0.1:1"}}, "metrics.listen", id="metrics"),
        pytest.param({"max_connections": 99}, "max_connections", id="connections"),
        pytest.param({"startup_grace": "11s"}, "startup_grace", id="grace"),
        pytest.param({"log": {"format": "json"}}, "log.format", id="log format"),
    ],
)
async def test_e8_a_key_that_needs_a_restart(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    assert (["restart_needed"], f"{key} cannot change without a restart") == await reloaded(
        tmp_path / "admitter.yaml", change
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"mode": "warn"}, id="mode"),
        pytest.param({"log": {"level": "debug"}}, id="log level"),
        pytest.param({"max_body": "1Mi"}, id="body"),
    ],
)
async def test_a_key_that_changes_while_running(tmp_path: Path, change: dict[str, Any]) -> None:
    assert (["success"], None) == await reloaded(tmp_path / "admitter.yaml", change)
