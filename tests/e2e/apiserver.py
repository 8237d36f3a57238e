"""A kube-apiserver on loopback like envtest's: with etcd, without controllers and nodes."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.rig.certificates import Authority
from tests.rig.etcd import EtcdServer
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.server import Server

if TYPE_CHECKING:
    import ssl

# The webhook's timeout, up to ten times, and a busy machine.
_CALL = aiohttp.ClientTimeout(total=60)

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of the API server.

    Attributes:
        status: HTTP status.
        body: The object, or the `Status` with the reason of a refusal.
        warnings: Texts of its Warning headers.
        text: The answer as it came.
    """

    status: int
    body: Object
    warnings: tuple[str, ...] = ()
    text: str = ""

    @property
    def message(self) -> str:
        """The message of a `Status`."""
        return str(self.body.get("message", ""))


class KubeApiServer(Server):
    """kube-apiserver, whose admin certificate allows everything, impersonation too.

    Args:
        rig: Owner of the process and its files.
        assets: The directory of kube-apiserver.
        etcd: Its storage.
    """

    def __init__(self, rig: Rig, assets: Path, etcd: EtcdServer) -> None:
        self._assets = assets
        self._etcd = etcd
        authority = Authority(rig.directory / "kubernetes-certificates")
        self._certificate = authority.server("apiserver")
        self._admin = authority.client("admin")
        self._trust: ssl.SSLContext = self._admin.client_context()
        super().__init__(rig, "kube-apiserver")
        self.kubeconfig = self.directory / "kubeconfig"

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"https://{LOOPBACK}:{self.port}"

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        self.kubeconfig.write_text(json.dumps(self._kubeconfig()))
        return [
            str(self._assets / "kube-apiserver"),
            f"--etcd-servers={self._etcd.url}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self.port}",
            f"--cert-dir={self.directory}",
            f"--tls-cert-file={self._certificate.cert_file}",
            f"--tls-private-key-file={self._certificate.key_file}",
            f"--client-ca-file={self._certificate.ca_file}",
            "--authorization-mode=AlwaysAllow",
            # Pods never run here, so their accounts need no tokens.
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._certificate.key_file}",
            f"--service-account-signing-key-file={self._certificate.key_file}",
        ]

    async def is_ready(self) -> bool:
        try:
            return HTTPStatus.OK == (await self._call("GET", "/readyz")).status
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def create(
        self,
        thing: Object,
        *,
        namespace: str,
        user: str | None = None,
        dry_run: bool = False,
    ) -> Reply:
        """Create a `PipelineRun` or `ConfigMap`, as another user if asked."""
        group = "/api/v1" if "v1" == thing["apiVersion"] else f"/apis/{thing['apiVersion']}"
        path = f"{group}/namespaces/{namespace}/{thing['kind'].lower()}s"
        options = {"fieldManager": "e2e", **({"dryRun": "All"} if dry_run else {})}
        headers = {} if user is None else {"Impersonate-User": user}
        return await self._call("POST", path, body=thing, query=options, headers=headers)

    async def get(self, path: str) -> Reply:
        """Get the object or list at a path."""
        return await self._call("GET", path)

    async def events(self, path: str, *, since: int) -> list[Object]:
        """Return what happened to a list's objects after a revision, until now."""
        query = {"watch": "1", "resourceVersion": str(since), "timeoutSeconds": "1"}
        text = (await self._call("GET", path, query=query)).text
        return [json.loads(line) for line in text.splitlines()]

    async def delete(self, path: str) -> Reply:
        """Delete the object or collection at a path."""
        return await self._call("DELETE", path)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        async with self.rig.http.request(
            method,
            f"{self.url}{path}",
            # A stream, because aiohttp warns of large bodies that are not.
            data=None if body is None else io.BytesIO(json.dumps(body).encode()),
            params=query,
            headers={"Content-Type": "application/json", **(headers or {})},
            ssl=self._trust,
            timeout=_CALL,
        ) as response:
            text = await response.text()
            warnings = tuple(response.headers.getall("Warning", ()))
        watched = query is not None and "watch" in query
        is_object = text.startswith("{") and not watched
        parsed = json.loads(text) if is_object else {"message": text}
        return Reply(status=response.status, body=parsed, warnings=warnings, text=text)

    def _kubeconfig(self) -> Object:
        files = self._admin
        user = {"client-certificate": str(files.cert_file), "client-key": str(files.key_file)}
        cluster = {"server": self.url, "certificate-authority": str(files.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin"}}],
            "current-context": "e2e",
        }
