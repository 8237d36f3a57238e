"""The PipelineRuns of the demo: what they are called and how their creation is reviewed."""

import uuid

from tests.demo.plan import NAMESPACE
from tests.rig.reviews import ReviewRequest, admission_review


def run_name(number: int) -> str:
    """Return the name of a run; names sort as their numbers do."""
    return f"orders-on-push-{number:06}"


def review_of(number: int, size: int, namespace: str = NAMESPACE) -> bytes:
    """Return the AdmissionReview, `size` bytes long, that creates the run of that number."""
    name = run_name(number)
    return admission_review(
        ReviewRequest(uid=str(uuid.uuid4()), name=name, namespace=namespace, size=size)
    )
