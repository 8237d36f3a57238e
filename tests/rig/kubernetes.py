"""Programs and schemas of Kubernetes, found or built by tools/install-kubernetes."""

import subprocess
from pathlib import Path

_TOOL = Path(__file__).resolve().parents[2] / "tools" / "install-kubernetes"
_SECONDS = 3600  # kube-apiserver is built where it is not cached


def installed(name: str) -> str:
    """Return the path of what the tool is told to find, such as `helm` or `apiserver`.

    Raises:
        subprocess.CalledProcessError: It could not be made; the tool printed the reason.
    """
    done = subprocess.run(
        [_TOOL, name], stdout=subprocess.PIPE, text=True, check=True, timeout=_SECONDS
    )
    return done.stdout.strip()
