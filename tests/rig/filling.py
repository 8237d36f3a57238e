"""An etcd that fills with PipelineRuns, and an operator who makes room in it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes_api import Reply

RUNS_PREFIX = "/registry/tekton.dev/pipelineruns/"
# Many of them fit into the smallest quota of a test.
_VALUE_BYTES = 256 * 1024
# The size that etcd states is that of its last commit, a tenth of a second ago. A machine with
# nothing else to do fills the rest in that time, so the last part is written more slowly.
_CAREFUL, _COMMIT_SECONDS = 0.12, 0.15


async def fill(etcd: EtcdServer, share: float) -> None:
    """Write runs until etcd's file has reached a share of its quota."""
    number = 0
    while (await etcd.client.status()).db_size < share * etcd.quota_bytes:
        await etcd.client.put(f"{RUNS_PREFIX}{number:04}", os.urandom(_VALUE_BYTES))
        number += 1


async def fill_through_api(
    etcd: EtcdServer, share: float, create: Callable[[], Awaitable[Reply]]
) -> None:
    """Create objects until etcd's file has reached a share of its quota, and not the quota.

    Args:
        etcd: The API server's.
        share: Of its quota.
        create: Creates one object of 512 KiB or less.
    """
    quota = etcd.quota_bytes
    while (size := (await etcd.client.status()).db_size) < share * quota:
        is_close = size > (share - _CAREFUL) * quota
        replies = await asyncio.gather(*(create() for _ in range(1 if is_close else 4)))
        assert {HTTPStatus.CREATED} == {reply.status for reply in replies}
        if is_close:
            await asyncio.sleep(_COMMIT_SECONDS)


async def make_room(*members: EtcdServer) -> None:
    """Delete all runs, compact, and defragment these members of one cluster."""
    await members[0].client.delete_prefix(RUNS_PREFIX)
    await members[0].client.compact()
    for member in members:
        await member.client.defragment()
