"""The Dockerfiles, read without an engine; hadolint is part of `make lint`."""

import re
import tomllib

import pytest

from tests.compose.compose_file import ROOT, read

NAMES = ("evaluator", "admitter")
either = pytest.mark.parametrize("name", NAMES)


def dockerfile(name: str) -> str:
    return (ROOT / "services" / name / "Dockerfile").read_text(encoding="utf-8")


def default_of(argument: str, text: str) -> str:
    [default] = set(re.findall(rf"^ARG {argument}=(\S+)$", text, re.MULTILINE))
    return str(default)


def test_the_two_differ_only_in_what_they_serve() -> None:
    own = re.compile(r"# The (SERVICE|webhook)|# Metrics, probes|EXPOSE|.*image\.description")

    def shared(name: str) -> list[str]:
        lines = dockerfile(name).replace(name, "SERVICE").splitlines()
        return [line for line in lines if not own.match(line)]

    assert shared("evaluator") == shared("admitter")


@either
def test_the_version_is_that_of_the_distribution(name: str) -> None:
    project = tomllib.loads((ROOT / "services" / name / "pyproject.toml").read_text())["project"]
    assert project["version"] == default_of("VERSION", dockerfile(name))


@either
def test_the_base_is_the_same_in_compose(name: str) -> None:
    build = read().services[name].build
    assert build is not None
    assert f"BASE_IMAGE={default_of('BASE_IMAGE', dockerfile(name))}" in build.args


@either
def test_every_argument_of_the_build_can_be_given_through_compose(name: str) -> None:
    build = read().services[name].build
    assert build is not None
    given = {argument.partition("=")[0] for argument in build.args}
    assert given <= set(re.findall(r"^ARG (\w+)", dockerfile(name), re.MULTILINE))


@either
def test_only_pinned_packages_are_installed(name: str) -> None:
    lines = dockerfile(name).splitlines()
    installs = [line for line in lines if re.search(r"pip .*\binstall\b", line)]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "--no-index --no-deps" in line


@either
def test_the_user_is_a_number_and_not_root(name: str) -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", dockerfile(name), re.MULTILINE)
    assert [("65532", "65532")] == users


@either
def test_whatever_is_copied_reaches_the_engine(name: str) -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(name), re.MULTILINE)
    sources = {source.partition("/")[0] for copy in copies for source in copy.split()}
    assert {source.replace("[e]", "e") for source in sources} <= allowed


@either
def test_a_health_check_needs_no_shell(name: str) -> None:
    assert re.search(r'^    CMD \["/opt/etcd-shield/bin/python", ', dockerfile(name), re.MULTILINE)


@pytest.mark.shows("trial T25")
@either
def test_what_has_no_wheel_is_compiled_only_where_that_is_asked_for(name: str) -> None:
    text = dockerfile(name)
    assert ":all:" == default_of("ONLY_BINARY", text)
    installs = re.findall(r"pip [^&]*install --require-hashes ([^&]*)", text)
    assert installs
    assert [] == [line for line in installs if '--only-binary "$ONLY_BINARY"' not in line]


@pytest.mark.shows("trial T25")
@either
def test_compilers_stay_in_the_build(name: str) -> None:
    text = dockerfile(name)
    assert "${BASE_IMAGE}" == default_of("BUILD_IMAGE", text)
    stages = re.findall(r"^FROM (.+)$", text, re.MULTILINE)
    assert ["${BUILD_IMAGE} AS build", "${BASE_IMAGE}"] == stages
