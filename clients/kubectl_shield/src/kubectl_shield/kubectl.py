"""Calls of the user's kubectl: to read an answer, or to lend it the terminal."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

# `oc` takes the same arguments and runs the same plugins.
PROGRAMS: Final = ("kubectl", "oc")
# The chart labels its workloads with these; their names depend on the release.
SELECTOR: Final = "app.kubernetes.io/part-of=etcd-shield,app.kubernetes.io/component={component}"


class KubectlError(click.exceptions.Exit):
    """Kubectl failed and has said why on standard error; click ends the process with its code."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """Kubectl with the options that choose a cluster, and the shield's namespace.

    Attributes:
        program: its path.
        cluster: options such as ``--context prod``, for every call.
        namespace: where the shield is installed.
    """

    program: str
    cluster: Sequence[str]
    namespace: str

    def read(self, *arguments: str) -> str:
        """Return what kubectl prints.

        Raises:
            KubectlError: It failed.
        """
        done = subprocess.run(
            self._command(*arguments), check=False, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise KubectlError(done.returncode)
        return done.stdout.decode(errors="replace")

    def user(self) -> tuple[str, list[str]]:
        """Return the name and the groups that the API server knows this user by.

        Both are empty if it does not tell: SelfSubjectReviews exist since Kubernetes 1.28.
        """
        done = subprocess.run(
            self._command("auth", "whoami", "--output=json"),
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        try:
            info = json.loads(done.stdout)["status"]["userInfo"] if not done.returncode else {}
            return info.get("username", ""), list(info.get("groups", []))
        except (ValueError, KeyError, TypeError, AttributeError):
            return "", []

    def run_in(self, component: str, *command: str, stdin: IO[bytes] | None = None) -> int:
        """Run a program of the shield in its pod, on this terminal; return its exit code.

        Args:
            component: ``evaluator``, ``admitter`` or ``controller``; its container is called so.
            command: The program and its arguments.
            stdin: What the program reads. If None, this terminal if there is one, else nothing: a
                loop in a script that reads its own input keeps it.
        """
        streams = [] if stdin is None else ["--stdin"]
        if stdin is None and sys.stdin.isatty() and sys.stdout.isatty():
            # A table instead of JSON, and a question before a denial.
            streams = ["--stdin", "--tty"]
        return subprocess.run(
            self._command(
                f"--namespace={self.namespace}", "exec", *streams, self._workload(component),
                f"--container={component}", "--", *command,
            ),
            check=False,
            stdin=stdin or (None if streams else subprocess.DEVNULL),
        ).returncode  # fmt: skip

    def workloads(self, component: str) -> list[str]:
        """Return the deployments of a part of the shield; the controller is optional.

        Raises:
            KubectlError: kubectl failed.
        """
        return self.read(
            f"--namespace={self.namespace}", "get", "deployments", "--output=name",
            f"--selector={SELECTOR.format(component=component)}",
        ).split()  # fmt: skip

    def _workload(self, component: str) -> str:
        found = self.workloads(component)
        if len(found) != 1:
            listed = f"has {', '.join(found)}" if found else f"has no {component} of an etcd-shield"
            raise click.UsageError(
                f"namespace {self.namespace} {listed}; "
                "name the shield's namespace: kubectl shield --namespace …"
            )
        return found[0]

    def _command(self, *arguments: str) -> list[str]:
        return [self.program, *self.cluster, *arguments]


def find_program() -> str:
    """Return the path of kubectl, or of oc.

    Raises:
        click.ClickException: Neither is on PATH.
    """
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise click.ClickException("kubectl is not on PATH")
