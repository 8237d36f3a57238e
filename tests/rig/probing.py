"""HTTP requests to a server that may not answer: one error of the rig's own, or a plain False."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from tests.rig.errors import NoAnswerError


@contextmanager
def silence_as_no_answer(who: str) -> Iterator[None]:
    """Turn the errors that an HTTP client raises without an answer into one.

    Raises:
        NoAnswerError: With the client's own error in its message.
    """
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NoAnswerError(f"no answer from {who}: {error!r}") from error


async def answers_ok(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether a GET of `url` is answered with 200; False also without an answer."""
    try:
        async with http.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
