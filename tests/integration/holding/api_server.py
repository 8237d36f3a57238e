"""The part of an API server that holding depends on: two webhooks for each request, and the object.

Each request goes to /mutate of one admitter, as JSON Patch says the object is changed, and then it
goes to /validate of another one, as it does behind a Service with several pods. What both allow is
stored. Tests that need more use a real kube-apiserver (`tests/e2e`).
"""

import copy
import io
import itertools
import json
import ssl
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from shield_common.held import HELD_LABEL, PENDING_STATUS

Run = dict[str, Any]
USER = "system:serviceaccount:ci:pipelines-as-code-controller"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the requester is told, and the object as it is stored.

    Attributes:
        allowed: whether both webhooks allowed it.
        run: the object after the patch.
        code: of a denial.
        message: of a denial.
        warnings: of both webhooks.
        retry_after: seconds, of a denial.
    """

    allowed: bool
    run: Run
    code: int | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    retry_after: int | None = None

    @property
    def held(self) -> bool:
        """Whether the run was put on hold."""
        return self.allowed and is_held(self.run)


def is_held(run: Run) -> bool:
    """Say whether a run waits, with the label of those that etcd-shield holds."""
    labels = run["metadata"].get("labels") or {}
    return PENDING_STATUS == (run.get("spec") or {}).get("status") and HELD_LABEL in labels


def pipeline_run(name: str, *, status: str | None = None, **metadata: Any) -> Run:
    """Return a PipelineRun; without a status its spec has none."""
    spec: dict[str, Any] = {"pipelineRef": {"name": "build"}}
    if status is not None:
        spec["status"] = status
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": "team-orders", **metadata},
        "spec": spec,
    }


class ApiServer:
    """Runs, and the admitters that are asked about them in turn."""

    def __init__(
        self, http: aiohttp.ClientSession, ports: list[int], trust: ssl.SSLContext
    ) -> None:
        self.runs: dict[str, Run] = {}
        self._http = http
        self._trust = trust
        self._ports = itertools.cycle(ports)
        self._uids = itertools.count()

    @property
    def held(self) -> list[str]:
        """The names of the runs that are held."""
        return [name for name, run in self.runs.items() if is_held(run)]

    async def create(self, run: Run, *, dry_run: bool = False, user: str = USER) -> Answer:
        """Create a run, as a user would."""
        answer = await self._admit("CREATE", run, None, user=user, dry_run=dry_run)
        if answer.allowed and not dry_run:
            self.runs[self._name(answer.run)] = answer.run
        return answer

    async def update(self, name: str, run: Run, *, user: str = USER) -> Answer:
        """Replace a run."""
        answer = await self._admit("UPDATE", run, self.runs[name], user=user, dry_run=False)
        if answer.allowed:
            self.runs[name] = answer.run
        return answer

    async def set_status(self, name: str, status: str | None, *, user: str = USER) -> Answer:
        """Write ``spec.status``; None removes it, which starts a pending run."""
        run = copy.deepcopy(self.runs[name])
        run["spec"].pop("status", None)
        if status is not None:
            run["spec"]["status"] = status
        return await self.update(name, run, user=user)

    async def release(self, name: str, *, user: str) -> Answer:
        """Start a held run as the controller does."""
        run = copy.deepcopy(self.runs[name])
        run["spec"].pop("status")
        run["metadata"]["labels"].pop(HELD_LABEL)
        return await self.update(name, run, user=user)

    async def mutated(self, run: Run, *, user: str = USER) -> tuple[Run, Mapping[str, Any]]:
        """Ask /mutate alone; return the changed object and the response."""
        response = await self._ask("/mutate", self._review("CREATE", run, None, user=user))
        return _patched(run, response), response

    async def _admit(
        self, operation: str, run: Run, before: Run | None, *, user: str, dry_run: bool
    ) -> Answer:
        asked: dict[str, Any] = {"user": user, "dry_run": dry_run}
        first = await self._ask("/mutate", self._review(operation, run, before, **asked))
        run = _patched(run, first)
        second: Mapping[str, Any] = {"allowed": True}
        if first["allowed"] and operation == "CREATE":
            second = await self._ask("/validate", self._review(operation, run, before, **asked))
        denial: Run = next((r["status"] for r in (first, second) if not r["allowed"]), {})
        return Answer(
            allowed=first["allowed"] and second["allowed"],
            run=run,
            code=denial.get("code"),
            message=denial.get("message", ""),
            warnings=(*first.get("warnings", ()), *second.get("warnings", ())),
            retry_after=denial.get("details", {}).get("retryAfterSeconds"),
        )

    def _name(self, run: Run) -> str:
        metadata = run["metadata"]
        if not metadata.get("name"):  # the API server completes generateName after /mutate
            metadata["name"] = f"{metadata['generateName']}{next(self._uids)}"
        return str(metadata["name"])

    def _review(
        self,
        operation: str,
        run: Run,
        before: Run | None,
        *,
        user: str,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        kind = {"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"}
        return {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": f"uid-{next(self._uids)}",
                "kind": kind,
                "name": run["metadata"].get("name", ""),
                "namespace": run["metadata"]["namespace"],
                "operation": operation,
                "userInfo": {"username": user},
                "object": run,
                "oldObject": before,
                "dryRun": dry_run,
            },
        }

    async def _ask(self, path: str, review: dict[str, Any]) -> Mapping[str, Any]:
        url = f"https://127.0.0.1:{next(self._ports)}{path}?timeout=10s"
        data = io.BytesIO(json.dumps(review).encode())
        headers = {"Content-Type": "application/json"}
        async with self._http.post(url, data=data, headers=headers, ssl=self._trust) as answer:
            body = await answer.read()
            assert 200 == answer.status, body
        response: dict[str, Any] = json.loads(body)["response"]
        assert review["request"]["uid"] == response["uid"]
        return response


def _patched(run: Run, response: Mapping[str, Any]) -> Run:
    """Apply a response's JSON Patch, which has operations ``add`` only."""
    changed = copy.deepcopy(run)
    if "patch" not in response:
        return changed
    assert "JSONPatch" == response["patchType"]
    for operation in json.loads(b64decode(response["patch"])):
        assert "add" == operation["op"]
        *parents, last = [
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]
        ]
        inner = changed
        for step in parents:
            inner = inner[step]
        inner[last] = operation["value"]
    return changed
