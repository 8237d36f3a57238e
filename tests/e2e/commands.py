"""kubectl and helm, run as a person runs them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.rig.commands import Ended, run


class CommandFailedError(Exception):
    """A command of the preparation failed; the message is its output."""


class Commands:
    """kubectl and helm with one kubeconfig, and without the developer's own settings.

    Args:
        kubectl: Its path.
        helm: Its path.
        kubeconfig: Which cluster they talk to.
        directory: For their caches.
    """

    def __init__(self, *, kubectl: Path, helm: str, kubeconfig: Path, directory: Path) -> None:
        self._kubectl, self._helm = str(kubectl), helm
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(directory / "kube-cache"),
        }

    async def kubectl(self, *arguments: str, given: Mapping[str, Any] | None = None) -> Ended:
        """Run kubectl, with an object on its standard input if one is given."""
        return await self._run(self._kubectl, *arguments, given=given)

    async def helm(self, *arguments: str, given: Mapping[str, Any]) -> str:
        """Run helm with values on its standard input and return what it printed.

        Raises:
            CommandFailedError: it failed.
        """
        done = await self._run(self._helm, *arguments, "--values=-", given=given)
        if done.status != 0:
            raise CommandFailedError(done.err + done.out)
        return done.out

    async def helm_test(self, *arguments: str) -> Ended:
        """Run `helm test`, which waits until its pod has ended."""
        return await self._run(self._helm, "test", *arguments)

    async def helm_uninstall(self, *arguments: str) -> Ended:
        """Run `helm uninstall`."""
        return await self._run(self._helm, "uninstall", *arguments)

    async def run(self, program: str, *arguments: str) -> Ended:
        """Run a command of a page; `program` is `kubectl` or `helm`."""
        path = {"kubectl": self._kubectl, "helm": self._helm}[program]
        return await self._run(path, *arguments)

    async def apply(self, *things: Mapping[str, Any]) -> None:
        """Create objects that the scenarios need.

        Raises:
            CommandFailedError: the API server refused.
        """
        for thing in things:
            done = await self.kubectl("create", "-f", "-", given=thing)
            if done.status != 0:
                raise CommandFailedError(done.err)

    async def _run(self, *command: str, given: Mapping[str, Any] | None = None) -> Ended:
        text = b"" if given is None else json.dumps(given).encode()
        return await run(*command, given=text, environment=self._environment)
