"""Package the chart: `python -m tools.package_chart --url URL --destination DIR`.

A packaged README is read far from this repository, so its relative links become absolute ones below
URL, and so do the addresses in Chart.yaml. Needs helm on PATH.
"""

import argparse
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
_LINK: Final = re.compile(r"\]\((?!https?://|#)([^)#]+)(#[^)]*)?\)")


def with_absolute_links(text: str, url: str) -> str:
    """Return the chart's README with each link to a file of the repository below `url`."""
    here = PurePosixPath(CHART.relative_to(ROOT))

    def absolute(link: re.Match[str]) -> str:
        path = _normal(here / link[1])
        return f"]({url}/blob/main/{path}{link[2] or ''})"

    return _LINK.sub(absolute, text)


def _normal(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return PurePosixPath(*parts)


def prepared(directory: Path, url: str) -> Path:
    """Copy the chart below `directory`, with the addresses in it."""
    chart = directory / CHART.name
    shutil.copytree(CHART, chart)
    readme, metadata = chart / "README.md", chart / "Chart.yaml"
    readme.write_text(with_absolute_links(readme.read_text(), url))
    metadata.write_text(metadata.read_text().replace(PLACEHOLDER, url))
    return chart


def main() -> int:
    """Run the command line; the exit code is helm's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="address of the repository, for links")
    parser.add_argument("--destination", type=Path, default=Path(), help="where the package goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        chart = prepared(Path(directory), arguments.url.rstrip("/"))
        helm = shutil.which("helm")
        if helm is None:
            print("tools/package_chart.py: helm is not on PATH", file=sys.stderr)
            return 1
        command = [helm, "package", str(chart), f"--destination={arguments.destination}"]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
