"""Asking a server over HTTP whether it is there, where "no" is an answer and not an error."""

import aiohttp


async def answers_ok(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether a GET of `url` is answered with 200; False too if nobody answers."""
    try:
        async with http.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
