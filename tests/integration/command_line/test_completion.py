"""Completion in real shells, by the scripts that docs/command-line.md tells people to install."""

import os
import sys
from pathlib import Path

import pytest

from tests.rig.commands import run
from tests.rig.server import program

# Programs of this environment, as a user has them on PATH.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
CASES = [
    pytest.param("shield-evaluator", ["st"], ["status"], id="a subcommand"),
    pytest.param("shield-evaluator", ["override", "cl"], ["clear"], id="one below another"),
    pytest.param("shield-evaluator", ["status", "--wa"], ["--watch"], id="an option"),
    pytest.param("shield-admitter", ["explain", "--output", "j"], ["json"], id="a value"),
    pytest.param("shield-controller", ["qu"], ["queue"], id="the controller"),
    pytest.param("kubectl-shield", ["qu"], ["queue"], id="the plugin"),
]
every_case = pytest.mark.parametrize(("name", "words", "expected"), CASES)
# The programs complete alike: every shell with each kind of word, and bash with each program.
some_cases = pytest.mark.parametrize(("name", "words", "expected"), CASES[1:4])


async def script(name: str, shell: str) -> str:
    """Return what the documented command writes into the shell's file."""
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    ended = await run(name, environment={"PATH": PATH, variable: f"{shell}_source"})
    assert 0 == ended.status, ended.said
    return ended.out


@every_case
async def test_bash_completes(name: str, words: list[str], expected: list[str]) -> None:
    completion = await script(name, "bash")
    function = f"_{name.replace('-', '_')}_completion"
    line = " ".join(f"'{word}'" for word in [name, *words])
    ended = await run(
        "bash", "--noprofile", "--norc", "-c",
        f"{completion}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}\n"
        f'{function} "{name}"; printf "%s\\n" "${{COMPREPLY[@]}}"; complete -p {name}',
        environment={"PATH": PATH},
    )  # fmt: skip
    *found, registered = ended.out.splitlines()
    assert expected == found, ended.err
    assert f"-F {function}" in registered


@some_cases
async def test_zsh_completes(name: str, words: list[str], expected: list[str]) -> None:
    completion = await script(name, "zsh")
    function = f"_{name.replace('-', '_')}_completion"
    line = " ".join(f"'{word}'" for word in [name, *words])
    # Outside of the line editor there is nothing to complete: what the script offers is printed.
    offered = (
        "compdef() { print -r -- compdef $*; }\n"
        "compadd() { shift $(( ${@[(i)-a]} )); print -rl -- ${(P)1}; }\n"
        "_describe() { local array=$3; print -rl -- ${${(P)array}%%:*}; }\n"
    )
    ended = await run(
        program("zsh"), "-f", "-c",
        f"{offered}{completion}\nwords=({line}); CURRENT={len(words) + 1}\n{function}",
        environment={"PATH": PATH},
    )  # fmt: skip
    first, *found = ended.out.splitlines()
    assert f"compdef {function} {name}" == first, ended.said
    assert expected == [word for word in found if word], ended.said


@some_cases
async def test_fish_completes(
    tmp_path: Path, name: str, words: list[str], expected: list[str]
) -> None:
    completions = tmp_path / "fish" / "completions"
    completions.mkdir(parents=True)
    (completions / f"{name}.fish").write_text(await script(name, "fish"))
    ended = await run(
        program("fish"), "--private", "-c", f"complete --do-complete '{' '.join([name, *words])}'",
        environment={"PATH": PATH, "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert expected == [line.partition("\t")[0] for line in ended.out.splitlines()], ended.err


async def test_kubectl_completes_the_plugin() -> None:
    ended = await run("kubectl_complete-shield", "st", environment={"PATH": PATH})
    assert ["status", ":4"] == [line.partition("\t")[0] for line in ended.out.splitlines()]
