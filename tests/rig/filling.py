"""An etcd that fills with PipelineRuns, and an operator who makes room in it."""

import os

from tests.rig.etcd import EtcdServer

RUNS_PREFIX = "/registry/tekton.dev/pipelineruns/"
# Many of them fit into the smallest quota of a test.
_VALUE_BYTES = 256 * 1024


async def fill(etcd: EtcdServer, share: float) -> None:
    """Write runs until etcd's file has reached a share of its quota."""
    number = 0
    while (await etcd.client.status()).db_size < share * etcd.quota_bytes:
        await etcd.client.put(f"{RUNS_PREFIX}{number:04}", os.urandom(_VALUE_BYTES))
        number += 1


async def make_room(*members: EtcdServer) -> None:
    """Delete all runs, compact, and defragment these members of one cluster."""
    await members[0].client.delete_prefix(RUNS_PREFIX)
    await members[0].client.compact()
    for member in members:
        await member.client.defragment()
