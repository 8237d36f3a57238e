"""The services, from the environment of this Python.

A test gives the YAML that a person would write; the rig adds only ports and file names.
"""

import os
import sys
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.rig.certificates import CertificateFiles
from tests.rig.clock import JumpingClock
from tests.rig.errors import NoAnswerError, RigError
from tests.rig.files import replace
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.probing import answers_ok, silence_as_no_answer
from tests.rig.server import Server, program

Config = dict[str, Any]


class Service(Server):
    """One of the services, with its configuration file.

    Args:
        rig: Owner of the process and its files.
        name: Name of its files and in messages.
        config: The configuration, without the addresses to listen on. Change it and call `write`
            while the service runs.
    """

    script: str

    def __init__(self, rig: Rig, name: str, config: Config) -> None:
        self.config = config
        super().__init__(rig, name)
        # Each server of a rig has its own authority; loading those of the machine is a tenth of
        # a start.
        self.environment["SSL_CERT_FILE"] = os.devnull
        self.config_file = self.directory / f"{name}.yaml"

    @property
    def metrics_target(self) -> str:
        """`host:port` of its metrics and probes, for Prometheus to scrape."""
        return f"{LOOPBACK}:{self.metrics_port}"

    @property
    def metrics_url(self) -> str:
        """Base URL of `/metrics`, `/readyz`, `/livez` and what else the service shows."""
        return f"http://{self.metrics_target}"

    def reserve_ports(self) -> None:
        self.metrics_port = self.rig.ports.reserve()

    def document(self) -> Config:
        """Return `config` with the addresses to listen on."""
        return {**self.config, "metrics": {"listen": self.metrics_target}}

    def write(self) -> None:
        """Write the configuration file, replacing it at once."""
        replace(self.config_file, yaml.safe_dump(self.document(), sort_keys=False))

    def command(self) -> list[str]:
        self.write()
        return [service_script(self.script), "run", "--config", str(self.config_file)]

    async def is_ready(self) -> bool:
        return await answers_ok(self.rig.http, f"{self.metrics_url}/readyz")

    async def metric(self, name: str, **labels: str) -> float | None:
        """Return one sample of `/metrics`, None if there is none.

        Raises:
            NoAnswerError: There was no answer.
        """
        with silence_as_no_answer(self.name):
            async with self.rig.http.get(f"{self.metrics_url}/metrics") as response:
                lines = (await response.text()).splitlines(keepends=True)
        # Parsing the rest would cost a poller most of its time.
        text = "".join(line for line in lines if line.startswith(name))
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if name == sample.name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return None


class Evaluator(Service):
    """`shield-evaluator run`."""

    script = "shield-evaluator"

    def __init__(self, rig: Rig, config: Config, name: str = "evaluator") -> None:
        super().__init__(rig, name, config)

    async def status(self) -> dict[str, Any]:
        """Return `/status`: `decision` is the current decision document, None before the first.

        Raises:
            RigError: It answered with an error.
            NoAnswerError: There was no answer.
        """
        with silence_as_no_answer(self.name):
            async with self.rig.http.get(f"{self.metrics_url}/status") as response:
                if response.status != 200:
                    raise RigError(f"{self.name} answered {response.status} to /status")
                status: dict[str, Any] = await response.json()
                return status


class Admitter(Service):
    """`shield-admitter run`, over TLS.

    Args:
        rig: Owner of the process and its files.
        config: As for `Service`, without `tls.cert_file` and `tls.key_file`.
        certificate: What it serves with.
        name: Name of its files and in messages.
    """

    script = "shield-admitter"

    def __init__(
        self, rig: Rig, config: Config, certificate: CertificateFiles, name: str = "admitter"
    ) -> None:
        self.certificate = certificate
        super().__init__(rig, name, config)

    @property
    def url(self) -> str:
        """The webhook's URL."""
        return f"https://{LOOPBACK}:{self.port}/validate"

    def reserve_ports(self) -> None:
        super().reserve_ports()
        self.port = self.rig.ports.reserve()

    def document(self) -> Config:
        tls = {
            "cert_file": str(self.certificate.cert_file),
            "key_file": str(self.certificate.key_file),
        }
        return {
            **super().document(),
            "listen": f"{LOOPBACK}:{self.port}",
            "tls": {**tls, **self.config.get("tls", {})},
        }

    async def admits(self) -> bool | None:
        """Return this admitter's allow bit, None if it shows none or does not answer."""
        try:
            bit = await self.metric("etcd_shield_allow")
        except NoAnswerError:
            return None
        return None if bit is None else bit == 1


class Controller(Service):
    """`shield-controller run`.

    Args:
        rig: Owner of the process and its files.
        config: As for `Service`, without `kubernetes.kubeconfig`.
        kubeconfig: How it reaches the API server.
        name: Name of its files and in messages.
    """

    script = "shield-controller"

    def __init__(
        self, rig: Rig, config: Config, kubeconfig: Path, name: str = "controller"
    ) -> None:
        self.kubeconfig = kubeconfig
        super().__init__(rig, name, config)

    def document(self) -> Config:
        return {**super().document(), "kubernetes": {"kubeconfig": str(self.kubeconfig)}}


class JumpyEvaluator(Evaluator):
    """An evaluator whose wall clock can be set, before it starts and while it runs."""

    def __init__(self, rig: Rig, config: Config, name: str = "evaluator") -> None:
        super().__init__(rig, config, name)
        self.clock = JumpingClock(self.directory / "clock")

    def command(self) -> list[str]:
        return self.clock.command(super().command())


class JumpyAdmitter(Admitter):
    """An admitter whose wall clock can be set, before it starts and while it runs."""

    def __init__(
        self, rig: Rig, config: Config, certificate: CertificateFiles, name: str = "admitter"
    ) -> None:
        super().__init__(rig, config, certificate, name)
        self.clock = JumpingClock(self.directory / "clock")

    def command(self) -> list[str]:
        return self.clock.command(super().command())


def service_script(script: str) -> str:
    """Return the path of a service's command.

    Raises:
        ProgramMissingError: It is not installed in this environment.
    """
    # In the environment of this Python, so that a test never runs another checkout's services.
    beside = Path(sys.executable).parent / script
    if beside.is_file():
        return str(beside)
    return program(script, f"install the workspace into the environment of {sys.executable}")
