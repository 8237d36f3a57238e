"""Filling the node's etcd through its API server, and making room again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.cluster.node import QUOTA, Node
from tests.cluster.objects import BALLAST_LABEL, TEAM, ballast
from tests.cluster.release import Release
from tests.rig.filling import fill_through_api
from tests.rig.waiting import wait_until

_PIECE = 512 * 1024
# The shield closes at 90%; writers of other things are not its business and go on a little.
FULL = 0.92
_BALLAST = f"/api/v1/namespaces/{TEAM}/configmaps"
_SCRAPE_SECONDS = 30.0
SHARE = "etcd_mvcc_db_total_size_in_bytes / etcd_server_quota_backend_bytes"


async def fill(node: Node, *, to: float = FULL) -> None:
    """Write until etcd's file has a share of its quota and Prometheus says so."""
    await fill_through_api(node.etcd, to, lambda: node.api.create(ballast(_PIECE)))

    async def seen() -> bool:
        return to <= max((await node.prometheus.query(SHARE)).values(), default=0)

    await wait_until(seen, within=_SCRAPE_SECONDS, what="Prometheus to see a full etcd")


async def delete_ballast(node: Node, *, keep: int = 0) -> None:
    """Delete what `fill` wrote, but for so many pieces; that alone frees nothing."""
    found = await node.api.items(f"{_BALLAST}?labelSelector={BALLAST_LABEL}%3Dyes")
    names = [piece["metadata"]["name"] for piece in found][keep:]
    await asyncio.gather(*(node.api.delete(f"{_BALLAST}/{name}") for name in names))


async def free(node: Node) -> None:
    """Do what an operator does: forget old revisions, and rewrite the file without them."""
    await node.etcd.client.compact()
    await node.etcd.client.defragment()


async def shrink(node: Node, *, below: float) -> None:
    """Delete ballast, piece by piece, until the rewritten file is below a share of the quota.

    Only the rewritten file tells how much is live: the size in use also counts what a compaction is
    about to free.
    """
    await free(node)
    while (await node.etcd.client.status()).db_size >= below * QUOTA:
        found = await node.api.items(f"{_BALLAST}?labelSelector={BALLAST_LABEL}%3Dyes")
        await delete_ballast(node, keep=len(found) - 1)
        await free(node)


@contextlib.asynccontextmanager
async def full_etcd(release: Release, *, to: float = FULL) -> AsyncIterator[None]:
    """The shield is closed because etcd is full of live data, for as long as the block takes."""
    await free(release.node)
    await fill(release.node, to=to)
    try:
        await release.wait_closed()
        yield
    finally:
        await delete_ballast(release.node)
        await free(release.node)
        await release.wait_admitting()
