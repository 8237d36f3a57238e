"""What a person sees of the running stack: its status page, its metrics, the demo's answers."""

from typing import Any

import aiohttp

from tests.compose.engine import Engine
from tests.rig.waiting import wait_until

# For what takes a few seconds on an idle machine.
SECONDS = 60.0


def demo(stack: Engine, *arguments: str) -> str:
    """Play the API server or the operator, without starting again what was killed."""
    return stack.compose("run", "--rm", "-T", "--no-deps", "demo", *arguments)


async def status(stack: Engine) -> dict[str, Any]:
    """Return the evaluator's `/status`."""
    return await _fetched(f"{stack.url('EVALUATOR')}/status")


async def until_sample(stack: Engine, expected: float, promql: str) -> None:
    """Wait until the query's first sample has that value.

    Raises:
        NotInTimeError: It had not.
    """

    async def seen() -> bool:
        try:
            answer = await _fetched(f"{stack.url('PROMETHEUS')}/api/v1/query", query=promql)
        except (aiohttp.ClientError, TimeoutError):
            return False
        return [expected] == [float(sample["value"][1]) for sample in answer["data"]["result"][:1]]

    await wait_until(seen, within=SECONDS, what=f"{promql} to be {expected:g}", every=1)


async def until_admitters(stack: Engine, count: int) -> None:
    """Wait until Prometheus scrapes that many admitters, all of which have a decision."""
    await until_sample(stack, count, 'count(etcd_shield_allow{job="etcd-shield-admitter"})')


async def _fetched(url: str, **query: str) -> dict[str, Any]:
    limit = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=limit) as http, http.get(url, params=query) as answer:
        document: dict[str, Any] = await answer.json()
        return document
