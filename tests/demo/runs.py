"""The PipelineRuns of the demo: what they are called and how their creation is reviewed."""

import json
import uuid
from typing import Any

from tests.demo.plan import NAMESPACE
from tests.rig.reviews import ReviewRequest, admission_review, stored_object


def run_name(number: int) -> str:
    """Return the name of a run; names sort as their numbers do."""
    return f"orders-on-push-{number:06}"


def review_of(
    number: int, size: int, namespace: str = NAMESPACE, *, dry_run: bool = False
) -> bytes:
    """Return the AdmissionReview, `size` bytes long, that creates the run of that number."""
    return admission_review(
        ReviewRequest(
            uid=str(uuid.uuid4()),
            name=run_name(number),
            namespace=namespace,
            size=size,
            dry_run=dry_run,
        )
    )


def run_of(number: int, size: int) -> dict[str, Any]:
    """Return the run of that number, whose AdmissionReview has about `size` bytes."""
    run: dict[str, Any] = json.loads(stored_object(review_of(number, size)))
    return run
