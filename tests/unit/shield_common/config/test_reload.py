"""A settings file that changed: what is applied, what is refused, what needs a restart."""

from pathlib import Path

import pytest

from shield_common.config.loader import SettingsStruct, load
from shield_common.config.reload import SettingsReloader
from shield_common.filewatch import FileWatch


class Listen(SettingsStruct, frozen=True, kw_only=True):
    address: str = "127.0.0.1:9100"
    patience: int = 5


class Settings(SettingsStruct, frozen=True, kw_only=True):
    name: str
    threshold: float = 0.9
    listen: Listen = Listen()


GOOD = "name: c1\n"


class Installation:
    """A settings file, and the result of reloading it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_text(GOOD)
        self.applied: list[Settings] = []
        self.results: list[str] = []
        self.reloader = SettingsReloader(
            path,
            load(path, Settings, environment={}),
            restart_keys=("name", "listen.address"),
            environment={},
            apply_settings=self.applied.append,
            on_result=self.results.append,
        )

    async def change(self, content: str) -> None:
        self.path.write_text(content)
        await self.reloader.reload()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "settings.yaml")


async def test_a_changed_key_is_applied(installation: Installation) -> None:
    await installation.change("name: c1\nthreshold: 0.95\n")
    assert ["success"] == installation.results
    assert [0.95] == [settings.threshold for settings in installation.applied]


async def test_what_was_applied_is_in_force(installation: Installation) -> None:
    await installation.change("name: c1\nthreshold: 0.95\n")
    assert 0.95 == installation.reloader.settings.threshold


async def test_the_same_settings_in_another_text_are_not_applied(
    installation: Installation,
) -> None:
    await installation.change("# reviewed\n" + GOOD)
    assert (["success"], []) == (installation.results, installation.applied)


async def test_the_first_settings_are_applied_again_after_others(
    installation: Installation,
) -> None:
    for threshold in ("0.95", "0.9"):
        await installation.change(f"name: c1\nthreshold: {threshold}\n")
    assert [0.95, 0.9] == [settings.threshold for settings in installation.applied]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("name: [", id="not YAML"),
        pytest.param("threshold: 0.9\n", id="incomplete"),
        pytest.param("name: c1\nthresold: 0.9\n", id="unknown key"),
    ],
)
async def test_e8_a_bad_file_keeps_the_old_settings(
    installation: Installation, content: str
) -> None:
    await installation.change(content)
    assert (["failure"], []) == (installation.results, installation.applied)


async def test_e8_a_missing_file_keeps_the_old_settings(installation: Installation) -> None:
    installation.path.unlink()
    await installation.reloader.reload()
    assert (["failure"], []) == (installation.results, installation.applied)


async def test_a_problem_is_reported_until_the_file_is_good_again(
    installation: Installation,
) -> None:
    await installation.change("")
    assert "must hold a mapping" in (installation.reloader.problem or "")
    await installation.change(GOOD)
    assert None is installation.reloader.problem


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        pytest.param("name: c2\nthreshold: 0.8\n", "name", id="key"),
        pytest.param(GOOD + "listen: {address: '[::1]:1'}\n", "listen.address", id="nested key"),
        pytest.param(
            "name: c2\nlisten: {address: '[::1]:1'}\n", "name, listen.address", id="two keys"
        ),
    ],
)
async def test_a_key_that_needs_a_restart_is_named_and_nothing_is_applied(
    installation: Installation, content: str, keys: str
) -> None:
    await installation.change(content)
    assert (["restart_needed"], []) == (installation.results, installation.applied)
    assert f"{keys} cannot change without a restart" == installation.reloader.problem


async def test_a_neighbour_of_a_key_that_needs_a_restart_is_applied(
    installation: Installation,
) -> None:
    await installation.change(GOOD + "listen: {patience: 6}\n")
    assert [6] == [settings.listen.patience for settings in installation.applied]


async def test_a_swapped_symlink_is_noticed(tmp_path: Path) -> None:
    # How the kubelet updates a ConfigMap: the file links into ..data, a link that is replaced.
    for version, content in (("v1", GOOD), ("v2", GOOD + "threshold: 0.5\n")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "settings.yaml").write_text(content)
    data = tmp_path / "..data"
    data.symlink_to("v1")
    mounted = tmp_path / "settings.yaml"
    mounted.symlink_to("..data/settings.yaml")
    installation = Installation(mounted)
    watch = FileWatch([mounted], installation.reloader.reload)
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to("v2")
    fresh.replace(data)
    assert await watch.poll()
    assert [0.5] == [settings.threshold for settings in installation.applied]
