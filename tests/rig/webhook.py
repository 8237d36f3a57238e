"""Ask an admitter as the API server does, and read its answer.

Answer: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import io
import json
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.rig.errors import RigError
from tests.rig.probing import silence_as_no_answer

# Only the refusal of a paced run says this.
_PACED = "yours may start then"
# The API server's own default for a webhook.
API_SERVERS_LIMIT = aiohttp.ClientTimeout(total=10.0)


class WebhookError(RigError):
    """The answer to a review was not a valid one."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A valid answer.

    Attributes:
        uid: Of the review that it answers.
        allowed: Whether the request may proceed.
        code: HTTP status that the requester sees; None when allowed.
        message: What the requester reads; empty when allowed.
        retry_after_seconds: When the requester may try again; None without that hint.
        warnings: Warnings to the requester, also when allowed.
    """

    uid: str
    allowed: bool
    code: int | None = None
    message: str = ""
    retry_after_seconds: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def paced(self) -> bool:
        """Whether it was refused only until room is handed out again."""
        return not self.allowed and _PACED in self.message


async def ask(
    http: aiohttp.ClientSession,
    url: str,
    review: bytes,
    trust: ssl.SSLContext,
    *,
    limit: aiohttp.ClientTimeout = API_SERVERS_LIMIT,
) -> Answer:
    """POST a review and return the answer.

    Args:
        http: Keeps the connections between calls.
        url: The webhook's.
        review: An AdmissionReview as JSON.
        trust: What the server's certificate is checked with.
        limit: How long to wait.

    Raises:
        NoAnswerError: There was no answer in time.
        WebhookError: The answer was no AdmissionReview.
    """
    data = io.BytesIO(review)  # a file, as aiohttp wants it: it may be large
    headers = {"Content-Type": "application/json"}
    with silence_as_no_answer(url):
        async with http.post(url, data=data, headers=headers, ssl=trust, timeout=limit) as response:
            status, body = response.status, await response.read()
    if status != 200:
        raise WebhookError(f"{url} answered {status}: {body[:200].decode(errors='replace')}")
    return parse_answer(body)


def parse_answer(body: bytes) -> Answer:
    """Read the AdmissionReview that answers one.

    Raises:
        WebhookError: It is none.
    """
    try:
        document: dict[str, Any] = json.loads(body)
        response = document["response"]
        status = response.get("status") or {}
        return Answer(
            uid=response["uid"],
            allowed=response["allowed"] is True,
            code=status.get("code"),
            message=status.get("message", ""),
            retry_after_seconds=(status.get("details") or {}).get("retryAfterSeconds"),
            warnings=tuple(response.get("warnings") or ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        start = body[:200].decode(errors="replace")
        raise WebhookError(f"not an answer to an AdmissionReview: {start}") from error
