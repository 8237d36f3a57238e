"""A changed configuration file: what is taken over, what is refused, what needs a restart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_admitter.reload import Reload
from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import load

MINIMAL: dict[str, Any] = {
    "cluster": "rh01",
    "tls": {"cert_file": "cert.pem", "key_file": "key.pem"},
    "redis": {"url": "redis://redis:6379/0"},
}


class Installation:
    """A configuration file, and what came of reading it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write()
        self.adopted: list[AdmitterSettings] = []
        self.results: list[str] = []
        self.reload = Reload(
            path,
            load(path, AdmitterSettings, environment={}),
            environment={},
            adopt=self.adopted.append,
            on_result=self.results.append,
        )

    def write(self, **changes: Any) -> None:
        self.path.write_text(yaml.safe_dump(MINIMAL | changes))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "admitter.yaml")


async def test_another_mode_is_taken_over(installation: Installation) -> None:
    installation.write(mode="warn")
    await installation.reload()
    assert ["success"] == installation.results
    assert ["warn"] == [settings.mode for settings in installation.adopted]


async def test_a_file_that_says_the_same_changes_nothing(installation: Installation) -> None:
    installation.path.write_text("# reviewed\n" + installation.path.read_text())
    await installation.reload()
    assert (["success"], []) == (installation.results, installation.adopted)


async def test_the_old_content_again_is_taken_over_again(installation: Installation) -> None:
    for mode in ("warn", "enforce"):
        installation.write(mode=mode)
        await installation.reload()
    assert ["warn", "enforce"] == [settings.mode for settings in installation.adopted]


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
    await installation.reload()
    assert (["failure"], []) == (installation.results, installation.adopted)


@pytest.mark.parametrize(
    "change",
    [
        {"cluster": "other"},
        {"listen": "127.0.0.1:1"},
        {"tls": {"cert_file": "other.pem", "key_file": "key.pem"}},
        {"redis": {"url": "redis://other:6379/0"}},
        {"metrics": {"listen": "127.0.0.1:1"}},
        {"max_connections": 99},
        {"startup_grace": "11s"},
        {"log": {"format": "json"}},
    ],
    ids=".".join,
)
async def test_e8_what_needs_a_restart_is_said_and_nothing_of_the_file_counts(
    installation: Installation, change: dict[str, Any]
) -> None:
    installation.write(mode="warn", **change)
    await installation.reload()
    assert (["restart_needed"], []) == (installation.results, installation.adopted)


async def test_a_log_level_is_taken_over(installation: Installation) -> None:
    installation.write(log={"level": "debug"})
    await installation.reload()
    assert ["debug"] == [settings.log.level for settings in installation.adopted]
