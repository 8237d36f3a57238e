"""Archives that depend on nothing but their content, and krew's manifest."""

import os
import tarfile
from pathlib import Path

import yaml

from tools.release.files import archive, checksums, krew_manifest


def test_two_archives_of_the_same_files_are_equal(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    archive(first, {"a": one, "b": two})
    os.utime(one, (1, 1))
    archive(second, {"b": two, "a": one})
    assert first.read_bytes() == second.read_bytes()


def test_a_program_in_an_archive_can_be_run(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    archive(tmp_path / "packed.tar.gz", {"program": program})
    with tarfile.open(tmp_path / "packed.tar.gz") as opened:
        assert 0o755 == opened.getmember("program").mode


def test_checksums_are_sorted_and_name_no_directory(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("b", "a")]
    for file in files:
        file.write_text("")
    checksums(tmp_path / "SHA256SUMS", files)
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [f"{empty}  a", f"{empty}  b"] == lines


def test_the_manifest_of_krew_is_filled_in(tmp_path: Path) -> None:
    packed = tmp_path / "kubectl-shield-1.2.3.tar.gz"
    packed.write_text("")
    made = tmp_path / "shield.krew.yaml"
    krew_manifest(made, version="1.2.3", archive=packed, url="https://git.example.org/shield")
    manifest = yaml.safe_load(made.read_text())
    assert ("shield", "v1.2.3") == (manifest["metadata"]["name"], manifest["spec"]["version"])
    assert "$" not in made.read_text()
