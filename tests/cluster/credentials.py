"""Certificates and kubeconfigs of the node's programs, from an authority of its own."""

import json
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.cluster.first_process import NODE_ADDRESS, NODE_NAME
from tests.rig.ports import LOOPBACK

API_PORT = 6443
SERVICE_ADDRESS = "10.90.0.1"
ADMINISTRATORS = "system:masters"


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate with its private key, both PEM."""

    cert_file: Path
    key_file: Path


class Credentials:
    """Files in a directory, written when they are asked for.

    Args:
        directory: It is made.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self.directory = directory
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.crt"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def api_server(self) -> KeyPair:
        """Return the API server's certificate, for every name under which it is reached."""
        service = "kubernetes.default.svc"
        names = ["kubernetes", "kubernetes.default", service, f"{service}.cluster.local"]
        addresses = [LOOPBACK, "localhost", NODE_ADDRESS, SERVICE_ADDRESS]
        return self._write("apiserver", self._authority.issue_cert(*names, *addresses))

    def kubelet(self) -> KeyPair:
        """Return the certificate that the kubelet serves."""
        return self._write("kubelet-server", self._authority.issue_cert(NODE_NAME, NODE_ADDRESS))

    def client(self, name: str, *, group: str | None = None) -> KeyPair:
        """Return a client certificate: its common name is the user, its organisation the group."""
        # A name that nobody looks at: without one the certificate is not valid for Go.
        leaf = self._authority.issue_cert(
            "client.invalid", common_name=name, organization_name=group
        )
        return self._write(name.replace(":", "-"), leaf)

    def kubeconfig(
        self, name: str, *, group: str | None = None, host: str = NODE_ADDRESS, port: int = API_PORT
    ) -> Path:
        """Write a user's kubeconfig and return its path."""
        pair = self.client(name, group=group)
        user = {"client-certificate": str(pair.cert_file), "client-key": str(pair.key_file)}
        cluster = {
            "server": f"https://{host}:{port}",
            "certificate-authority": str(self.ca_file),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "node", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "node", "context": {"cluster": "node", "user": name}}],
            "current-context": "node",
        }
        file = self.directory / f"{name.replace(':', '-')}.kubeconfig"
        file.write_text(json.dumps(config))
        return file

    def _write(self, name: str, leaf: trustme.LeafCert) -> KeyPair:
        pair = KeyPair(
            cert_file=self.directory / f"{name}.crt", key_file=self.directory / f"{name}.key"
        )
        pair.key_file.touch(mode=0o600)
        pair.key_file.write_bytes(leaf.private_key_pem.bytes())
        pair.cert_file.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return pair
