"""What `helm test` runs: one harmless review, and the services' probes.

Needs nothing but Python. Every step prints a line; the first that fails ends it with exit code 1.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 10


def ready(name: str, url: str) -> None:
    """See whether a service is ready and say what it says."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        print(f"{name} is ready: {answer.read().decode()}")


def review(url: str, ca_file: str | None) -> None:
    """Ask about an update, which is admitted whatever the shield's state, as a dry run."""
    request = {
        "uid": "helm-test",
        "kind": {"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"},
        "resource": {"group": "tekton.dev", "version": "v1", "resource": "pipelineruns"},
        "namespace": "helm-test",
        "name": "helm-test",
        "operation": "UPDATE",
        "userInfo": {"username": "helm-test"},
        "dryRun": True,
        "object": {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun"},
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    post = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    context = ssl.create_default_context(cafile=ca_file)
    with urllib.request.urlopen(post, timeout=TIMEOUT_SECONDS, context=context) as answer:
        response = json.load(answer)["response"]
    if response["uid"] != "helm-test" or response["allowed"] is not True:
        raise ValueError(f"not the answer to an update: {response}")
    print("the webhook answers over TLS")


def main() -> None:
    """Ask each service that the environment names, and the webhook if it does."""
    place = os.environ
    services = ("evaluator", "admitter", "controller")
    steps = [name for name in services if place.get(f"{name.upper()}_READY_URL")]
    steps += ["webhook"] if place.get("WEBHOOK_URL") else []
    for name in steps:
        try:
            if name == "webhook":
                review(place["WEBHOOK_URL"], place.get("WEBHOOK_CA_FILE"))
            else:
                ready(name, place[f"{name.upper()}_READY_URL"])
        except (OSError, ValueError, KeyError) as error:
            detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            sys.exit(f"FAILED: {name}: {error} {detail}".rstrip())


main()
