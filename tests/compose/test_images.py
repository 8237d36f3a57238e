"""What is in our images, and under which restrictions they run."""

import json

import pytest

from tests.compose.engine import Engine
from tests.compose.standins import base_image

MEGABYTE = 1_000_000
RESTRICTED = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
BUILD_TOOLS = "pip pip3 gcc cc c++ clang ld make cargo rustc uv hatch hatchling"


@pytest.mark.parametrize("user", ["65532", "1000650000"], ids=["its-own-user", "any-user"])
def test_it_runs_with_nothing_but_a_number_for_a_user(
    engine: Engine, image: str, user: str
) -> None:
    output = engine.docker("run", *RESTRICTED, f"--user={user}", image, "--version")
    assert "version" in output


def test_its_default_user_is_not_root(engine: Engine, image: str) -> None:
    assert "65532" == engine.docker("run", *RESTRICTED, "--entrypoint=id", image, "-u").strip()


def test_it_runs_the_service_by_default(engine: Engine, image: str) -> None:
    # Without a configuration that is all it can say.
    output = engine.docker("run", *RESTRICTED, image, check=False)
    assert "/etc/etcd-shield/" in output
    assert "cannot be read" in output


def test_it_adds_at_most_120_mb_to_its_base(engine: Engine, image: str) -> None:
    def size(name: str) -> int:
        return int(engine.docker("image", "inspect", "--format={{.Size}}", name))

    assert 120 * MEGABYTE >= size(image) - size(base_image())


def test_it_has_no_compiler_and_no_build_tool(engine: Engine, image: str) -> None:
    look = f"for tool in {BUILD_TOOLS}; do command -v $tool; done; true"
    assert "" == engine.docker("run", *RESTRICTED, "--entrypoint=sh", image, "-c", look)


@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools", "hatchling"])
@pytest.mark.parametrize(
    "python", ["python", "PATH=/usr/local/bin:/usr/bin python3"], ids=["venv", "base"]
)
def test_its_pythons_can_install_nothing(
    engine: Engine, image: str, python: str, module: str
) -> None:
    find = f"import importlib.util as u; print(u.find_spec('{module}'))"
    output = engine.docker(
        "run", *RESTRICTED, "--entrypoint=sh", image, "-c", f'{python} -c "{find}"'
    )
    assert "None" == output.strip()


def test_its_labels_say_what_it_is(engine: Engine, image: str) -> None:
    text = engine.docker("image", "inspect", "--format={{json .Config.Labels}}", image)
    labels = {key.rpartition(".")[2]: value for key, value in json.loads(text).items()}
    assert image.partition(":")[0].replace("-", " ") == labels["title"].replace("-", " ")
    assert base_image() == labels["name"]  # org.opencontainers.image.base.name
    assert "Apache-2.0" == labels["licenses"]
