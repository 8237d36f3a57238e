"""The chart installed into a real API server, and its pods as processes.

There is no node, so the tests do its part: they start the services with the configuration files,
passwords and certificates that the chart stored in the API server. Only ports and the directories
of mounted files differ.
"""

import asyncio
import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.commands import Commands
from tests.e2e.objects import (
    BREAK_GLASS,
    PIPELINES_AS_CODE,
    RELEASE_SERVICE,
    RELENG,
    TEAM,
    loopback_service,
    namespace,
    pipeline_run,
    pipeline_run_definition,
)
from tests.rig.apiserver import KubeApiServer
from tests.rig.balancer import Balancer
from tests.rig.certificates import CertificateFiles
from tests.rig.etcd import MEBIBYTE, EtcdServer
from tests.rig.files import replace
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.server import start_all
from tests.rig.services import Admitter, Config, Controller, Evaluator
from tests.rig.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "etcd-shield"
RELEASE, NAMESPACE = "etcd-shield", "shield"
ADMITTERS = 2
CONFIG_MAP = "etcd-shield-decision"
QUOTA = 64 * MEBIBYTE
# The services check their files every 2 s; the rest is for a busy machine.
CHANGE_SECONDS = 60.0
START_SECONDS = 120.0

# Thresholds as the chart has them, and such that an almost empty etcd denies or warns.
USUAL: Config = {"set": 0.90, "reset": 0.80}
DENYING: Config = {"set": 0.0002, "reset": 0.0001}
WARNING: Config = {"warn": 0.0001, "set": 0.90, "reset": 0.80}


def values(*, prometheus_url: str, webhook_port: int) -> Config:
    """Return the values of the installation."""
    return {
        "cluster": "e2e",
        "image": {"registry": "registry.example.com"},
        "evaluator": {
            "replicas": 2,
            "config": {
                "interval": "1s",
                "prometheus": {"urls": [prometheus_url]},
                "status_url": "https://shield.example.com/",
            },
        },
        "admitter": {
            "replicas": ADMITTERS,
            "service": {"port": webhook_port},
            "config": {
                "drain": "3s",
                "tiers": [
                    {"tier": "critical", "namespaces": [RELENG]},
                    {"tier": "critical", "users": [RELEASE_SERVICE]},
                ],
                "retry_after": [{"seconds": 5, "users": [PIPELINES_AS_CODE]}],
            },
        },
        "publish": {"kubernetes": True, "configMap": CONFIG_MAP},
        "webhook": {
            "timeoutSeconds": 10,
            "matchConditions": [
                {
                    "name": "not-break-glass",
                    "expression": f"request.userInfo.username != '{BREAK_GLASS}'",
                }
            ],
        },
    }


@dataclass(kw_only=True)
class Installation:
    """All running servers, and the operations of the scenarios on them."""

    rig: Rig
    etcd: EtcdServer
    api: KubernetesApi
    commands: Commands
    prometheus: PrometheusServer
    redis: RedisServer
    balancer: Balancer
    values: Config
    admitters: list[Admitter]
    evaluator: Evaluator
    controller: Controller
    certificate: CertificateFiles

    async def decide(self, thresholds: Config, *, deny: bool) -> None:
        """Change the standard tier's thresholds, and wait until every admitter knows."""
        for signal in self.evaluator.config["tiers"]["standard"]:
            self.evaluator.config["tiers"]["standard"][signal] = dict(thresholds)
        self.evaluator.write()
        await self.wait_decided(deny=deny)

    async def wait_decided(self, *, deny: bool) -> None:
        """Wait until every admitter denies, or admits."""

        async def agreed() -> bool:
            return {not deny} == {await a.admits() for a in self.admitters if a.alive}

        what = f"the admitters to {'deny' if deny else 'admit'}"
        await wait_until(agreed, within=CHANGE_SECONDS, what=what)

    async def upgrade(self, changes: Config) -> None:
        """Run `helm upgrade` with a few values changed."""
        await self.commands.helm(
            "upgrade", RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--reuse-values",
            given=changes,
        )  # fmt: skip

    async def webhook(self) -> Object:
        """Return the only webhook of the configuration that the API server has."""
        name = f"{NAMESPACE}-{RELEASE}"
        path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        found: Object = (await self.api.get(f"{path}/{name}")).body["webhooks"][0]
        return found

    async def write_certificate(self) -> None:
        """Write the certificate's Secret to the admitters' files, as the kubelet does."""
        data = await secret(self.api, f"{RELEASE}-admitter-tls")
        write_certificate(self.certificate, data)

    async def wait_in_force(self) -> None:
        """Wait until the API server calls the webhook, a moment after its configuration exists."""

        async def asked() -> bool:
            reply = await self.api.create(pipeline_run(), namespace=TEAM, dry_run=True)
            return 429 == reply.status

        await wait_until(asked, within=CHANGE_SECONDS, what="the webhook to be called", every=0.3)


async def secret(api: KubernetesApi, name: str) -> dict[str, bytes]:
    """Return what a Secret of the release holds."""
    data = (await api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")).body["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


async def config_map(api: KubernetesApi, name: str) -> dict[str, str]:
    """Return what a ConfigMap of the release holds."""
    found = await api.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")
    data: dict[str, str] = found.body["data"]
    return data


def write_certificate(files: CertificateFiles, data: dict[str, bytes]) -> None:
    """Write a Secret's certificate and key, each at once."""
    wanted = {
        files.cert_file: data["tls.crt"],
        files.key_file: data["tls.key"],
        files.ca_file: data["ca.crt"],
    }
    for path, content in wanted.items():
        replace(path, content)


async def install(rig: Rig, *, assets: Path, helm: str) -> Installation:
    """Start everything, install the chart, and start what it describes."""
    etcd = EtcdServer(rig, quota_bytes=QUOTA)
    await etcd.start()
    options = PrometheusOptions(jobs={"etcd": [etcd.target]}, scrape_interval="1s")
    prometheus = PrometheusServer(rig, options=options)
    server = KubeApiServer(rig, assets, etcd)
    await start_all(server, prometheus, within=START_SECONDS)
    api = server.api
    home = rig.directory / "home"
    home.mkdir()
    commands = Commands(
        kubectl=assets / "kubectl", helm=helm, kubeconfig=server.kubeconfig, directory=home
    )
    admitters: list[Admitter] = []
    # On a busy machine a single probe may fail. The chart's probe has to fail twice, but it comes
    # every few seconds, and these ten times a second.
    balancer = Balancer(rig, admitters, failure_threshold=3)
    chosen = values(prometheus_url=prometheus.url, webhook_port=balancer.port)
    await commands.apply(
        pipeline_run_definition(), *(namespace(name) for name in (TEAM, RELENG, NAMESPACE))
    )
    await commands.helm("install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", given=chosen)
    await _reach_loopback(api, commands)
    redis = await _redis(rig, api)
    evaluator = Evaluator(rig, await _config(rig, api, redis, "evaluator"))
    certificate = _certificate_files(rig)
    write_certificate(certificate, await secret(api, f"{RELEASE}-admitter-tls"))
    config = await _config(rig, api, redis, "admitter")
    del config["tls"]  # the rig's admitter names the same two files where they are here
    admitters += [
        Admitter(rig, config, certificate, name=f"admitter-{n + 1}") for n in range(ADMITTERS)
    ]
    await prometheus.wait_scraped()
    await evaluator.start(within=START_SECONDS)
    controller = Controller(rig, await _config(rig, api, redis, "controller"), server.kubeconfig)
    await start_all(*admitters, controller, within=START_SECONDS)
    await balancer.start()
    made = Installation(
        rig=rig, etcd=etcd, api=api, commands=commands, prometheus=prometheus, redis=redis,
        balancer=balancer, values=chosen, admitters=admitters, evaluator=evaluator,
        controller=controller, certificate=certificate,
    )  # fmt: skip
    await made.decide(DENYING, deny=True)
    await made.wait_in_force()
    await made.decide(USUAL, deny=False)
    return made


async def _reach_loopback(api: KubernetesApi, commands: Commands) -> None:
    """Make the Service's name resolve to this machine, because there are no pods."""
    name = f"{RELEASE}-admitter"
    await api.delete(f"/api/v1/namespaces/{NAMESPACE}/services/{name}")
    await commands.apply(loopback_service(name, NAMESPACE))


async def _redis(rig: Rig, api: KubernetesApi) -> RedisServer:
    """Start Redis with the chart's configuration and users."""
    files = await config_map(api, f"{RELEASE}-redis")
    places = ("bind ", "port ", "dir ", "aclfile ")
    kept = [line for line in files["redis.conf"].splitlines() if not line.startswith(places)]
    acl = await _users(rig, files, await secret(api, f"{RELEASE}-redis"))
    redis = RedisServer(rig, options=RedisOptions(lines=[*kept, f"aclfile {acl}"]))
    await redis.start()
    return redis


async def _users(rig: Rig, files: dict[str, str], passwords: dict[str, bytes]) -> Path:
    """Run the script that starts Redis' container, up to the server itself."""
    directory = rig.directory / "redis-container"
    for name, content in {
        "etc/users.acl": files["users.acl"].encode(),
        **{f"passwords/{key}": value for key, value in passwords.items()},
    }.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    script = files["start.sh"].replace("exec redis-server", "true")
    for place, here in (
        ("/etc/redis-passwords", "passwords"), ("/etc/redis", "etc"), ("/run/redis", "."),
    ):  # fmt: skip
        script = script.replace(place, str(directory / here))
    process = await asyncio.create_subprocess_exec("sh", "-c", script)
    assert 0 == await process.wait()
    return directory / "users.acl"


async def _config(rig: Rig, api: KubernetesApi, redis: RedisServer, service: str) -> Config:
    """Return a service's configuration file with this machine's places in it."""
    text = (await config_map(api, f"{RELEASE}-{service}"))[f"{service}.yaml"]
    config: dict[str, Any] = yaml.safe_load(text)
    password = rig.directory / f"{service}-password"
    password.write_bytes((await secret(api, f"{RELEASE}-redis"))[f"{service}-password"])
    config["redis"] |= {"url": redis.url, "password_file": str(password)}
    # This etcd has room for a dozen real runs; those of the tests write nothing later.
    for tier in config.get("tiers", {}).values() if service == "evaluator" else ():
        for threshold in tier.values():
            threshold["run_cost"] = "1Ki"
    return config


def _certificate_files(rig: Rig) -> CertificateFiles:
    directory = rig.directory / "webhook-certificate"
    directory.mkdir()
    return CertificateFiles(
        cert_file=directory / "tls.crt",
        key_file=directory / "tls.key",
        ca_file=directory / "ca.crt",
    )
