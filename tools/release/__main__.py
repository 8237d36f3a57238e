"""Make the files of a release: `python -m tools.release files --registry R --url U`.

`python -m tools.release version --tag vX.Y.Z` tells whether every part agrees on the version; it
needs nothing but Python.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tools import package_chart
from tools.release import files
from tools.release.versions import ROOT, ReleaseError, notes, services, version


def make_files(destination: Path, *, registry: str, url: str) -> None:
    """Make every file below `destination`, which has to be empty or absent.

    Args:
        destination: Where they go.
        registry: Host and path from which the packaged chart pulls the images.
        url: Address of the repository, for links in the chart and in krew's manifest.
    """
    destination.mkdir(parents=True, exist_ok=True)
    if any(destination.iterdir()):
        raise ReleaseError(f"{destination} is not empty: remove what an earlier run left there")
    now = version()
    files.wheels(destination)
    for service in services():
        name = f"etcd-shield-{service}-{now}.cdx.json"
        files.bill_of_materials(destination / name, service)
    package_chart.package(destination, url=url, registry=registry)
    with tempfile.TemporaryDirectory() as directory:
        pip = files.pip_in(Path(directory) / "pip")
        for platform in files.PLATFORMS:
            name = f"etcd-shield-{now}-wheelhouse-linux-{platform}.tar.gz"
            files.wheelhouse(destination / name, platform, pip=pip)
        plugin = Path(directory) / "kubectl-shield"
        files.plugin(plugin, pip=pip)
        packed = destination / f"kubectl-shield-{now}.tar.gz"
        files.archive(packed, {plugin.name: plugin, "LICENSE": ROOT / "LICENSE"})
    files.krew_manifest(destination / "shield.krew.yaml", version=now, archive=packed, url=url)
    (destination / "notes.md").write_text(notes(now, (ROOT / "CHANGELOG.md").read_text()))
    published = [made for made in destination.iterdir() if made.name != "notes.md"]
    files.checksums(destination / "SHA256SUMS", published)


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    versions = commands.add_parser("version", help="print the version; fail if parts disagree")
    versions.add_argument("--tag", help="the tag of the release, vX.Y.Z")
    made = commands.add_parser("files", help="make all files of the release")
    made.add_argument("--destination", type=Path, default=ROOT / "dist", help="default: dist/")
    made.add_argument("--registry", required=True, help="where the images are, host/path")
    made.add_argument("--url", required=True, help="address of the repository")
    arguments = parser.parse_args()
    try:
        if arguments.command == "version":
            print(version(arguments.tag))
        else:
            url = arguments.url.rstrip("/")
            make_files(arguments.destination.resolve(), registry=arguments.registry, url=url)
    except ReleaseError as error:
        print(f"tools.release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
