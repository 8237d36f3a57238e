"""Noticing changed files as Kubernetes changes them."""

from pathlib import Path

import pytest

from shield_common.filewatch import MAX_BYTES, FileWatch, fingerprint


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A file as the kubelet mounts a ConfigMap: behind two symlinks, swapped as one."""
    _swap(tmp_path, "first", "one")
    (tmp_path / "shield.yaml").symlink_to("..data/shield.yaml")
    return tmp_path / "shield.yaml"


def _swap(directory: Path, version: str, content: str) -> None:
    (directory / version).mkdir()
    (directory / version / "shield.yaml").write_text(content)
    fresh = directory / "..data_tmp"
    fresh.symlink_to(version)
    fresh.replace(directory / "..data")


class Changes:
    """Counts the calls."""

    def __init__(self) -> None:
        self.seen = 0

    async def __call__(self) -> None:
        self.seen += 1


async def test_a_swapped_symlink_is_a_change(mounted: Path) -> None:
    changes = Changes()
    watch = FileWatch([mounted], changes)
    _swap(mounted.parent, "second", "two")
    assert (True, 1) == (await watch.poll(), changes.seen)


async def test_a_swap_to_the_same_content_is_no_change(mounted: Path) -> None:
    changes = Changes()
    watch = FileWatch([mounted], changes)
    _swap(mounted.parent, "second", "one")
    assert (False, 0) == (await watch.poll(), changes.seen)


async def test_a_change_between_the_first_reading_and_the_watch_is_one(mounted: Path) -> None:
    changes = Changes()
    last_seen = fingerprint([mounted])
    _swap(mounted.parent, "second", "two")
    watch = FileWatch([mounted], changes, last_seen=last_seen)
    assert (True, 1) == (await watch.poll(), changes.seen)


async def test_one_change_is_reported_once(mounted: Path) -> None:
    changes = Changes()
    watch = FileWatch([mounted], changes)
    _swap(mounted.parent, "second", "two")
    await watch.poll()
    assert (False, 1) == (await watch.poll(), changes.seen)


async def test_a_file_that_goes_and_one_that_comes_are_changes(tmp_path: Path) -> None:
    changes = Changes()
    path = tmp_path / "token"
    watch = FileWatch([path], changes)
    path.write_text("")
    await watch.poll()
    path.unlink()
    await watch.poll()
    assert 2 == changes.seen


async def test_content_that_moves_from_one_file_to_the_next_is_a_change(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("ab")
    two.write_text("c")
    before = fingerprint([one, two])
    one.write_text("a")
    two.write_text("bc")
    assert before != fingerprint([one, two])


def test_no_more_of_a_file_is_read_than_settings_may_have(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(bytes(MAX_BYTES))
    before = fingerprint([path])
    path.write_bytes(bytes(MAX_BYTES + 1))
    assert before == fingerprint([path])
