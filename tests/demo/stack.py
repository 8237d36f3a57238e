"""`python -m tests.demo.stack`: the API server and the operator against a stack that already runs.

As in `tests.demo.acts`, nothing is imported that the evaluator's image lacks.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import click

from tests.demo.acts import Stack, fill, inquire, recover
from tests.demo.plan import NAMESPACE
from tests.rig.errors import RigError
from tests.rig.etcd_client import EtcdClient


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the stack is."""

    etcd: str
    webhook: str
    ca_file: Path


@asynccontextmanager
async def _reached(addresses: Addresses) -> AsyncIterator[Stack]:
    # A connection per review, so that the load balancer chooses anew each time.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Stack(
            http=http,
            etcd=EtcdClient(http, addresses.etcd),
            webhook=addresses.webhook,
            trust=ssl.create_default_context(cafile=str(addresses.ca_file)),
        )


def _play(context: click.Context, *acts: Callable[[Stack], Awaitable[None]]) -> None:
    async def all_acts() -> None:
        async with _reached(context.obj) as stack:
            for act in acts:
                await act(stack)

    try:
        asyncio.run(all_acts())
    except* (RigError, aiohttp.ClientError, TimeoutError) as failures:
        error: Any = failures
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]  # the others follow from the first
        raise click.ClickException(str(error) or repr(error)) from failures


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--etcd", default="http://etcd:2379", show_default=True, help="etcd's URL.")
@click.option(
    "--webhook",
    default="https://haproxy:8443/validate",
    show_default=True,
    help="The webhook's URL.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path),
    default="/credentials/ca.crt",
    show_default=True,
    help="The authority that signed the webhook's certificate.",
)
@click.pass_context
def main(context: click.Context, etcd: str, webhook: str, ca_file: Path) -> None:
    """Play the API server and the operator against a stack that already runs.

    Exit status: 0 what was to happen did, 1 it did not, 2 wrong usage.
    """
    context.obj = Addresses(etcd=etcd, webhook=webhook, ca_file=ca_file)


_per_second = click.option("--per-second", default=60.0, show_default=True, help="Reviews/s.")
_within = click.option("--within", default=180.0, show_default=True, help="Give up after (s).")


@main.command("fill")
@_per_second
@_within
@click.pass_context
def fill_command(context: click.Context, per_second: float, within: float) -> None:
    """Create PipelineRuns of 19 KB until they are denied, then events until a latch closes."""
    _play(context, lambda stack: fill(stack, per_second=per_second, within=within))


@main.command("recover")
@click.pass_context
def recover_command(context: click.Context) -> None:
    """Delete the runs, compact and defragment etcd, wait until runs are admitted."""
    _play(context, recover)


@main.command("play")
@_per_second
@_within
@click.pass_context
def play_command(context: click.Context, per_second: float, within: float) -> None:
    """`fill`, then `recover`."""
    _play(context, lambda stack: fill(stack, per_second=per_second, within=within), recover)


@main.command("ask")
@click.option("--count", default=1, show_default=True, help="How many reviews.")
@click.option("--per-second", default=10.0, show_default=True, help="Reviews/s.")
@click.option("--namespace", default=NAMESPACE, show_default=True, help="Decides on the tier.")
@click.pass_context
def ask_command(context: click.Context, count: int, per_second: float, namespace: str) -> None:
    """Ask whether a PipelineRun would be admitted, as a dry run: nothing is stored."""
    _play(
        context,
        lambda stack: inquire(stack, count=count, per_second=per_second, namespace=namespace),
    )


if __name__ == "__main__":
    main()
