"""A container registry on loopback: Debian's docker-registry, over HTTP, without passwords."""

import json
from typing import Any

from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.probing import answers_ok
from tests.rig.server import Server, program


class RegistryServer(Server):
    """An empty registry, whose content ends with the rig.

    Args:
        rig: Owner of the process and its files.
        name: Its name within the rig.
    """

    def __init__(self, rig: Rig, name: str = "registry") -> None:
        super().__init__(rig, name)

    @property
    def address(self) -> str:
        """Host and port, as in the name of an image."""
        return f"{LOOPBACK}:{self.port}"

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        file = self.directory / "config.yml"
        # JSON is YAML.
        file.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "warn"},
                    "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}},
                    "http": {"addr": self.address},
                }
            )
        )
        hint = "run tools/install-servers registry"
        return [program("docker-registry", hint), "serve", str(file)]

    async def is_ready(self) -> bool:
        return await answers_ok(self.rig.http, f"http://{self.address}/v2/")

    async def repositories(self) -> list[str]:
        """Return the names of everything that was pushed, sorted."""
        return sorted((await self._get("_catalog"))["repositories"])

    async def tags(self, repository: str) -> list[str]:
        """Return the tags of an image or chart."""
        return list((await self._get(f"{repository}/tags/list"))["tags"])

    async def _get(self, path: str) -> dict[str, Any]:
        async with self.rig.http.get(f"http://{self.address}/v2/{path}") as response:
            response.raise_for_status()
            found: dict[str, Any] = await response.json()
            return found
