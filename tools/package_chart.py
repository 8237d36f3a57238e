"""Package the chart: `python -m tools.package_chart --url URL --destination DIR`.

A packaged README is read far from this repository, so its relative links become absolute ones below
URL, and so do the addresses in Chart.yaml. With `--registry` the package names the registry that
has the product's images, so that it installs without further values. Needs helm on PATH, or
tools/install-kubernetes makes one.
"""

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CHART: Final = ROOT / "deploy" / "helm" / "etcd-shield"
PLACEHOLDER: Final = "https://example.com/etcd-shield"
# The product's images in values.yaml: the registry, comments and blank lines, then our repository.
_OWN_IMAGE: Final = re.compile(r'( registry: )""((?:\n *#.*)*\n +repository: etcd-shield-)')
_LINK: Final = re.compile(r"\]\((?!https?://|#)([^)#]+)(#[^)]*)?\)")


def with_absolute_links(text: str, url: str) -> str:
    """Return the chart's README with each link to a file of the repository below `url`."""
    here = PurePosixPath(CHART.relative_to(ROOT))

    def absolute(link: re.Match[str]) -> str:
        path = posixpath.normpath(here / link[1])
        return f"]({url}/blob/main/{path}{link[2] or ''})"

    return _LINK.sub(absolute, text)


def with_registry(values: str, readme: str, registry: str) -> tuple[str, str]:
    """Return values.yaml and README.md with the registry of the product's images.

    Raises:
        ValueError: No image of the product was found in the values.
    """
    filled, count = _OWN_IMAGE.subn(rf'\g<1>"{registry}"\g<2>', values)
    if count == 0:
        raise ValueError("values.yaml has no image of the product")
    row = re.compile(r'^(\| `\w+\.image\.registry` \| )`""`', re.MULTILINE)
    return filled, row.sub(rf'\g<1>`"{registry}"`', readme)


def prepared(directory: Path, url: str, registry: str | None = None) -> Path:
    """Copy the chart below `directory`, with the addresses in it."""
    chart = directory / CHART.name
    shutil.copytree(CHART, chart)
    readme, metadata, values = (chart / n for n in ("README.md", "Chart.yaml", "values.yaml"))
    text = with_absolute_links(readme.read_text(), url)
    if registry is not None:
        filled, text = with_registry(values.read_text(), text, registry)
        values.write_text(filled)
    readme.write_text(text)
    described = metadata.read_text().replace(PLACEHOLDER, url)
    metadata.write_text(described + (_images(described, registry) if registry is not None else ""))
    return chart


def _images(metadata: str, registry: str) -> str:
    """Return the annotation by which a catalogue knows the images, to follow the other ones."""
    version = re.search(r"^appVersion: (\S+)$", metadata, re.MULTILINE)
    if version is None or not metadata.rstrip().rpartition("\n")[2].startswith("  "):
        raise ValueError("Chart.yaml has no appVersion, or does not end with its annotations")
    names = sorted(path.parent.name for path in ROOT.glob("services/*/Dockerfile"))
    lines = [
        f"    - {{name: {name}, image: {registry}/etcd-shield-{name}:{version[1]}}}"
        for name in names
    ]
    return "\n".join(["  artifacthub.io/images: |", *lines]) + "\n"


def package(destination: Path, *, url: str, registry: str | None = None) -> None:
    """Package the chart into `destination`.

    Raises:
        subprocess.CalledProcessError: helm failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as directory:
        chart = prepared(Path(directory), url, registry)
        command = [_helm(), "package", str(chart), f"--destination={destination}"]
        subprocess.run(command, check=True)


def _helm() -> str:
    return (
        shutil.which("helm")
        or subprocess.run(
            [ROOT / "tools" / "install-kubernetes", "helm"],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.strip()
    )  # fmt: skip


def main() -> int:
    """Run the command line; the exit code is helm's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="address of the repository, for links")
    parser.add_argument("--destination", type=Path, default=Path(), help="where the package goes")
    parser.add_argument("--registry", help="host and path of the registry with the images")
    arguments = parser.parse_args()
    url, registry = arguments.url.rstrip("/"), arguments.registry
    try:
        package(arguments.destination, url=url, registry=registry)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
