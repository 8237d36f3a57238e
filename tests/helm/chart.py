"""Rendering the chart with helm, and finding objects in what came out."""

import json
import os
import pickle
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

# No image can be pulled without a registry, so every rendering needs this value.
IMAGES: Final = {"image": {"registry": "registry.example.com/shield"}}
ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "etcd-shield"
EXAMPLES = sorted(CHART.glob("ci/*-values.yaml"))
RELEASE, NAMESPACE = "etcd-shield", "shield"
NEWEST = "1.36.3"
# A render takes well under a second, but not on a machine that is busy with everything else.
_SECONDS = 180
# helm ends long before its garbage matters; collecting it takes a quarter of its time.
_NO_COLLECTION = {"GOGC": "off"}

Object = dict[str, Any]
Values = Mapping[str, Any] | Path


class RenderError(Exception):
    """helm refused to render; the message is its output."""


class _Loader(yaml.CSafeLoader):
    """Refuses a key that occurs twice, as kustomize does. PyYAML's own loader keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 - the parent's signature
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"duplicate keys {twice}", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def parsed(text: str) -> list[Object]:
    """Parse the documents of a rendering.

    Raises:
        yaml.YAMLError: it is not YAML, or a key occurs twice.
    """
    return [o for o in yaml.load_all(text, Loader=_Loader) if o is not None]


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering."""

    objects: list[Object]

    def of(self, kind: str) -> list[Object]:
        """Return the objects of a kind, in the order of rendering."""
        return [found for found in self.objects if kind == found["kind"]]

    def one(self, kind: str, name: str | None = None) -> Object:
        """Return the only object of a kind, or the only one of that name."""
        found = [o for o in self.of(kind) if name in {None, o["metadata"]["name"]}]
        assert 1 == len(found), f"{len(found)} of {kind} {name or ''}: {[*map(title, found)]}"
        return found[0]

    def config(self, service: str) -> str:
        """Return a service's configuration file."""
        text: str = self.one("ConfigMap", f"{RELEASE}-{service}")["data"][f"{service}.yaml"]
        return text

    def services(self) -> list[str]:
        """Return the services that have pods, the evaluator first."""
        names = [o["spec"]["template"]["metadata"]["labels"] for o in self.of("Deployment")]
        found = [labels["app.kubernetes.io/component"] for labels in names]
        return sorted(found, key=lambda name: (name != "evaluator", name))

    def pod(self, component: str) -> Object:
        """Return the pod template's spec of a component."""
        kind = "StatefulSet" if component == "redis" else "Deployment"
        spec: Object = self.one(kind, f"{RELEASE}-{component}")["spec"]["template"]["spec"]
        return spec

    def container(self, component: str) -> Object:
        """Return the component's own container."""
        containers = self.pod(component)["containers"]
        return next(c for c in containers if component == c["name"])


class Chart:
    """The chart, and the helm that renders it.

    Args:
        helm: its path.
        directory: the chart, or one that depends on it.
    """

    def __init__(self, helm: str, directory: Path = CHART) -> None:
        self.helm = helm
        self.directory = directory
        self._renderings: dict[str, bytes] = {}

    def render(
        self,
        *values: Values,
        kubernetes: str = NEWEST,
        offers: tuple[str, ...] = (),
        images: bool = True,
        release: str = RELEASE,
    ) -> Rendered:
        """Render with values files and mappings, later ones winning.

        The same values are rendered once: `template` makes a rendering of its own each time.

        Args:
            values: as a user would pass them with `--values`.
            kubernetes: the version that the chart sees.
            offers: API versions that it sees besides Kubernetes' own.
            images: say where the images are, unless `values` does.
            release: name of the release.

        Raises:
            RenderError: helm refused.
            yaml.YAMLError: the result is not YAML, or a key occurs twice.
        """
        key = json.dumps([list(map(_plain, values)), kubernetes, offers, images, release])
        if key not in self._renderings:
            text = self.template(
                *values, kubernetes=kubernetes, offers=offers, images=images, release=release
            )
            self._renderings[key] = pickle.dumps(parsed(text))
        # Each test gets objects of its own.
        objects: list[Object] = pickle.loads(self._renderings[key])  # noqa: S301 - made above
        return Rendered(objects)

    def template(
        self,
        *values: Values,
        kubernetes: str = NEWEST,
        offers: tuple[str, ...] = (),
        images: bool = True,
        release: str = RELEASE,
    ) -> str:
        """Return the text of a rendering; arguments and errors are those of `render`."""
        options = [f"--kube-version={kubernetes}", *(f"--api-versions={api}" for api in offers)]
        layers = (IMAGES, *values) if images else values
        return self.run("template", release, str(self.directory), f"--namespace={NAMESPACE}",
                        *options, values=layers)  # fmt: skip

    def run(self, *arguments: str, values: tuple[Values, ...] = ()) -> str:
        """Run helm and return its output.

        Raises:
            RenderError: it failed.
        """
        # JSON is YAML; helm reads standard input as the file "-", which can be given once.
        merged: dict[str, Any] = {}
        for layer in values:
            merged = overlaid(merged, _plain(layer))
        done = subprocess.run(
            [self.helm, *arguments, "--values=-"],
            input=json.dumps(merged),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env=os.environ | _NO_COLLECTION,
        )
        if done.returncode:
            raise RenderError(done.stderr + done.stdout)
        return done.stdout


def _plain(layer: Values) -> Mapping[str, Any]:
    """Return values as a mapping; a file is read."""
    if not isinstance(layer, Path):
        return layer
    data: dict[str, Any] = yaml.load(layer.read_text(), Loader=yaml.CSafeLoader)
    return data


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values as helm does: mappings by key, everything else replaced."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = overlaid(old, value)
        else:
            result[key] = value
    return result


def nested(path: str, value: object) -> dict[str, Any]:
    """Return `{"a": {"b": value}}` for `a.b`."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def title(thing: Object) -> str:
    """Name an object for a person."""
    return f"{thing['kind']}/{thing['metadata']['name']}"
