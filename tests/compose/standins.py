"""Images from Debian packages, for an engine that reaches no registry.

They bear the names that docker-compose.yml asks for, and the label `LABEL`; so the real Dockerfiles
and the real compose file are what runs. docs/compose.md tells how to be rid of them. Grafana is not
in Debian and has none.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.compose.compose_file import ROOT, read
from tests.compose.engine import Engine, EngineError

LABEL = "etcd-shield.stand-in=true"
SUITE = "trixie"  # as in the base's tag; its servers' versions are those of docker-compose.yml
SERVICES = ("etcd", "prometheus", "alertmanager", "redis", "haproxy")
_SERVERS_IMAGE = "etcd-shield-standins:servers"
_BASE_PACKAGES = ("ca-certificates", "netbase", "openssl", "python3", "python3-venv", "tzdata")
_SERVER_PACKAGES = (
    "etcd-client",
    "etcd-server",
    "haproxy",
    "prometheus",
    "prometheus-alertmanager",
    "redis-server",
)
_REQUIREMENTS = ("build", "evaluator", "admitter")
_WHEELHOUSE = ROOT / "wheelhouse"


def base_image() -> str:
    """Return the name of the base that both Dockerfiles have by default."""
    build = read().services["evaluator"].build
    assert build is not None
    [base] = [argument for argument in build.args if argument.startswith("BASE_IMAGE=")]
    return base.removeprefix("BASE_IMAGE=")


def make_missing(engine: Engine) -> bool:
    """See to it that the engine has every image but ours and Grafana's.

    Returns:
        Whether stand-ins are among them; then nothing may be fetched by a build either.

    Raises:
        EngineError: An image can be neither pulled nor made.
    """
    services = read().services
    names = {service: services[service].image for service in SERVICES} | {"base": base_image()}
    if not all(engine.has_image(name) or _pulled(engine, name) for name in names.values()):
        _make(engine, names)
    labelled = engine.docker("image", "ls", "--quiet", f"--filter=label={LABEL}")
    return bool(labelled.strip())


def fill_wheelhouse() -> None:
    """Download what the images install, as far as wheelhouse/ lacks it.

    Raises:
        EngineError: The index did not have it.
    """
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        command = [f"{directory}/bin/pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--require-hashes", "--only-binary=:all:", "--python-version=3.13"]
        command += [f"--requirement=requirements/{name}.txt" for name in _REQUIREMENTS]
        command += [f"--dest={_WHEELHOUSE}", f"--find-links={_WHEELHOUSE}"]
        _WHEELHOUSE.mkdir(exist_ok=True)
        for attempt in ([*command, "--no-index"], command):
            if not subprocess.run(attempt, cwd=ROOT, capture_output=True, check=False).returncode:
                return
    raise EngineError("pip could not download what the images install.")


def _pulled(engine: Engine, name: str) -> bool:
    engine.docker("pull", "--quiet", name, check=False)
    return engine.has_image(name)


def _make(engine: Engine, names: dict[str, str]) -> None:
    if os.geteuid() or shutil.which("debootstrap") is None:
        raise EngineError("No registry is reachable, and stand-ins need root and debootstrap.")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        _shell(f"debootstrap --variant=minbase --include={','.join(_BASE_PACKAGES)} {SUITE} {root}")
        _import(engine, root, names["base"])
        # No service may start in there.
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
        install = "env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
        _shell(f"chroot {root} {install} {' '.join(_SERVER_PACKAGES)}")
        _import(engine, root, _SERVERS_IMAGE)
    here = "tests/compose/standins"
    for service in SERVICES:
        engine.docker("build", "--quiet", f"--target={service}", f"--tag={names[service]}", here)


def _import(engine: Engine, root: Path, name: str) -> None:
    _shell(f"chroot {root} apt-get clean")
    archive = root.with_suffix(".tar")
    _shell(f"tar --directory {root} --create --file {archive} .")
    engine.docker("import", f"--change=LABEL {LABEL}", str(archive), name)
    archive.unlink()


def _shell(command: str) -> None:
    done = subprocess.run(
        command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise EngineError(f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}")
