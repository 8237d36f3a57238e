"""docker-compose.yml, read without an engine."""

import re

import pytest
import yaml

from tests.compose.compose_file import COMPOSE_FILE, ROOT, Service, raw_text, read

STACK = read()
SERVICES = STACK.services
every_service = pytest.mark.parametrize("name", SERVICES)


def test_it_needs_no_version_key() -> None:
    assert "version" not in yaml.safe_load(raw_text())


@every_service
def test_every_image_has_a_tag(name: str) -> None:
    repository, _, tag = SERVICES[name].image.rpartition(":")
    assert repository
    assert tag != "latest"
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", tag)


@every_service
def test_every_image_can_be_another_one(name: str) -> None:
    variable = {"demo": "EVALUATOR"}.get(name, name.upper()) + "_IMAGE"
    assert "elsewhere/it:1" == read({variable: "elsewhere/it:1"}).services[name].image


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.ports])
def test_only_loopback_is_published(name: str) -> None:
    for port in SERVICES[name].ports:
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.ports])
def test_every_published_port_can_be_another_one(name: str) -> None:
    variable = {"haproxy": "WEBHOOK"}.get(name, name.upper()) + "_PORT"
    [port] = read({variable: "4711"}).services[name].ports
    assert port.startswith("127.0.0.1:4711:")


@every_service
def test_every_mounted_path_exists(name: str) -> None:
    for source, _, _ in SERVICES[name].mounts:
        if source.startswith("."):
            assert (ROOT / source).exists(), source


@every_service
def test_every_mounted_volume_is_declared(name: str) -> None:
    named = {source for source, _, _ in SERVICES[name].mounts if not source.startswith(".")}
    assert named <= STACK.volumes.keys()


@every_service
def test_nothing_of_the_checkout_is_mounted_writable(name: str) -> None:
    for source, _, options in SERVICES[name].mounts:
        if source.startswith("."):
            assert "ro" == options


@every_service
def test_every_service_has_what_a_restricted_pod_has(name: str) -> None:
    service = SERVICES[name]
    assert ["ALL"] == service.cap_drop
    assert ["no-new-privileges:true"] == service.security_opt
    # credentials gives its files to the others' user, which only root can.
    assert ("0:0" if name == "credentials" else "65532:65532") == service.user


def one_shots() -> set[str]:
    return {
        name
        for service in SERVICES.values()
        for name, dependency in service.depends_on.items()
        if dependency.condition == "service_completed_successfully"
    }


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - one_shots() - {"demo"}))
def test_every_server_has_a_health_check(name: str) -> None:
    check = SERVICES[name].healthcheck
    assert check is not None
    # The images of the two services bring their test along.
    assert (check.test is not None) or SERVICES[name].build is not None


@every_service
def test_who_depends_on_a_server_waits_until_it_is_healthy(name: str) -> None:
    for other, dependency in SERVICES[name].depends_on.items():
        finished = other in one_shots()
        expected = "service_completed_successfully" if finished else "service_healthy"
        assert expected == dependency.condition


def test_admitters_can_be_scaled() -> None:
    # A published port or a fixed name could be had by one of them only.
    assert not SERVICES["admitter"].ports
    assert "container_name" not in raw_text()


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_rules_and_dashboards_are_the_charts_own(name: str) -> None:
    sources = {target: source for source, target, _ in SERVICES[name].mounts}
    assert "./deploy/helm/etcd-shield/files" == sources["/chart"]


def test_a_usual_up_starts_neither_the_flood_nor_the_dashboards() -> None:
    profiles = {name: service.profiles for name, service in SERVICES.items() if service.profiles}
    assert {
        "demo": ["demo"],
        "alertmanager": ["observability"],
        "grafana": ["observability"],
    } == profiles


@pytest.mark.parametrize("name", ["evaluator", "admitter"])
def test_the_images_are_built_from_this_checkout(name: str) -> None:
    build = SERVICES[name].build
    assert build is not None
    assert COMPOSE_FILE.parent == (ROOT / build.context).resolve()
    assert f"services/{name}/Dockerfile" == build.dockerfile


def test_the_flood_runs_in_an_image_that_was_built_anyway() -> None:
    demo: Service = SERVICES["demo"]
    assert SERVICES["evaluator"].image == demo.image
