"""Kubernetes' own schemas, made strict: a field that they do not name is an error.

The OpenAPI document of a Kubernetes release describes its objects; a CRD describes its own. Both
allow unknown fields, which the API server drops with a warning, and a dropped field is a bug here.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator

Schema = dict[str, Any]
# Fields with a meaning of their own, which OpenAPI v2 cannot express.
_INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
_ANY_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string"}]}


class KubernetesSchemas:
    """The schemas of one Kubernetes release and of the operators' CRDs.

    Args:
        directory: as `tools/install-kubernetes schemas` makes it.
        version: `v1.28.15`.
    """

    def __init__(self, directory: Path, version: str) -> None:
        self._directory = directory
        self._file = directory / f"kubernetes-{version}.json"

    def problems(self, thing: dict[str, Any]) -> list[str]:
        """Return what is wrong with an object, a path and a sentence each."""
        kind = (*_split(thing["apiVersion"]), thing["kind"])
        schema = self._core.get(kind) or self._custom.get(kind)
        if schema is None:
            return [f"{thing['apiVersion']} {thing['kind']} is unknown"]
        validator = Draft4Validator({**schema, "definitions": self._definitions})
        return [
            f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in validator.iter_errors(thing)
        ]

    @cached_property
    def _definitions(self) -> dict[str, Schema]:
        document = json.loads(self._file.read_text())
        return {name: _strict(schema) for name, schema in document["definitions"].items()}

    @cached_property
    def _core(self) -> dict[tuple[str, str, str], Schema]:
        found = {}
        for name, schema in self._definitions.items():
            for kind in schema.get("x-kubernetes-group-version-kind", ()):
                reference = {"$ref": f"#/definitions/{name}"}
                found[kind["group"], kind["version"], kind["kind"]] = reference
        return found

    @cached_property
    def _custom(self) -> dict[tuple[str, str, str], Schema]:
        found = {}
        metadata = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        for path in self._directory.glob("crds/*.yaml"):
            # A CRD is some hundred KiB; the loader in C takes a tenth of the time.
            spec = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
            for version in spec["versions"]:
                schema = _strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = metadata
                found[spec["group"], version["name"], spec["names"]["kind"]] = schema
        return found


def _split(api_version: str) -> tuple[str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version


def _strict(schema: Schema) -> Schema:
    """Forbid unknown fields, everywhere below too."""
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return _INT_OR_STRING
    made = {key: value for key, value in schema.items() if key not in {"default", "nullable"}}
    if "properties" in made:
        made["properties"] = {name: _strict(part) for name, part in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _strict(made[key])
    if made.get("description", "").startswith("Quantity is a fixed-point"):
        return _ANY_NUMBER
    return made
