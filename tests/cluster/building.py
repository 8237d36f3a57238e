"""What a node needs before it starts, built or taken from the cache: programs and images."""

import os
import tempfile
from pathlib import Path

from tests.cluster.images import ROOT, Builder, Image
from tests.cluster.node import Programs
from tests.cluster.release import OLD, PRESENT
from tests.rig.kubernetes import installed
from tests.rig.old_version import old_sources


def programs() -> Programs:
    """Build or find what the node runs.

    Raises:
        subprocess.CalledProcessError: It could not be made; the tool has said why.
    """
    return Programs(
        node=Path(installed("node")), assets=Path(installed("apiserver")), helm=installed("helm")
    )


def builder() -> Builder:
    """Return the builder whose storage is in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Builder(cache / "etcd-shield")


async def images(builder: Builder, programs: Programs) -> list[Image]:
    """Build the images that a node needs for the chart of this checkout.

    Raises:
        ImageError: One could not be built.
    """
    standins = await builder.standins(programs.node)
    return [*standins, *await builder.product(ROOT, tag=PRESENT)]


async def old_images(builder: Builder) -> list[Image]:
    """Build the images of version 0.1.0.

    Raises:
        ImageError: One could not be built.
        RigError: The checkout's history does not reach back to it.
    """
    with tempfile.TemporaryDirectory() as directory:
        return await builder.product(await old_sources(Path(directory)), tag=OLD)
