"""What is looked at while the demo runs: etcd, the evaluator's decisions, the admitters' bits.

Each observer polls for itself, so that a slow server delays no other's samples. A server that does
not answer is a gap in the record, not an error: in `--keep` mode people kill them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.demo.installation import Installation, Shield
from tests.demo.plan import DB_FILE, DB_IN_USE, TIER
from tests.demo.record import Record
from tests.rig.errors import RigError
from tests.rig.etcd import EtcdServer

# Ten times as often as Prometheus scrapes would show nothing more, and costs the flood its CPU.
_EVERY_SECONDS = 0.2


async def observe(installation: Installation, record: Record) -> None:
    """Keep the record up to date until cancelled."""
    async with asyncio.TaskGroup() as observers:
        observers.create_task(_repeat(lambda: look_at_etcd(installation.etcd, record)))
        shield = installation.shield
        if shield is not None:
            observers.create_task(_repeat(lambda: look_at_evaluator(shield, record)))
            observers.create_task(_repeat(lambda: look_at_admitters(shield, record)))


async def look_at_etcd(etcd: EtcdServer, record: Record) -> None:
    """Note etcd's usage and whether it has raised the alarm."""
    try:
        status, alarms = await asyncio.gather(etcd.client.status(), etcd.client.alarms())
    except RigError:
        return
    record.use(DB_FILE, status.db_size / etcd.quota_bytes)
    record.use(DB_IN_USE, status.db_size_in_use / etcd.quota_bytes)
    if "NOSPACE" in alarms:
        record.note_nospace("alarm NOSPACE")


async def look_at_evaluator(shield: Shield, record: Record) -> None:
    """Note what the evaluator saw last and what it decided."""
    try:
        decision = (await shield.evaluator.status())["decision"]
    except RigError:
        return
    if decision is None:
        return
    for name, usage in record.signals.items():
        usage.seen = decision["signals"].get(name, {}).get("value")
    record.sequence = decision["sequence"]
    record.reason = decision["tiers"][TIER]["reason"]
    record.room = decision["tiers"][TIER].get("room")
    record.slots = (decision["tiers"][TIER].get("hold") or {}).get("slots")
    with suppress(RigError):
        record.reserved = await shield.evaluator.metric("etcd_shield_reserved_bytes") or 0.0


async def look_at_admitters(shield: Shield, record: Record) -> None:
    """Sample every admitter's bit at the same time; one round of `Agreement`."""
    at = record.clock()
    bits = await asyncio.gather(*(admitter.admits() for admitter in shield.admitters))
    for admitter, bit in zip(shield.admitters, bits, strict=True):
        record.admitters[admitter.name].bit = bit
    record.agreement.add(at, bits)


async def _repeat(look: Callable[[], Awaitable[None]]) -> None:
    while True:
        await look()
        await asyncio.sleep(_EVERY_SECONDS)
