"""Write the chart's generated files, or report whether they are stale.

README.md: its tables come from the comments in values.yaml. values.schema.json: it comes from
values.schema.src.yaml, except for the services' own settings, whose types come from their settings
modules. files/required-values.json: the values that a `null` must not remove, with their defaults.
Run it as `make chart`.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from msgspec import inspect

from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import SettingsStruct
from shield_common.config.types import DURATION_PATTERN, SIZE_PATTERN, Duration, Size
from shield_controller.settings import ControllerSettings
from shield_evaluator.settings import EvaluatorSettings

CHART: Final = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "etcd-shield"
START: Final = "<!-- values: written by `make chart` from values.yaml -->"
LONGEST_DEFAULT: Final = 60  # characters; a longer default is not shown in the README
ANY_KEY: Final = "*"

SETTINGS: Final[dict[str, type[SettingsStruct]]] = {
    "evaluator": EvaluatorSettings,
    "admitter": AdmitterSettings,
    "controller": ControllerSettings,
}
# Sections of the services' files that the chart writes itself.
OWNED: Final = {
    "evaluator": {"cluster", "redis", "metrics", "hold"},
    "admitter": {
        "cluster", "redis", "metrics", "listen", "tls", "operations", "default_tier", "hold",
    },
    # In a pod the API server is found without settings.
    "controller": {
        "cluster", "redis", "metrics", "hold", "release", "kueue", "publish", "leader_election",
        "freshness", "kubernetes", "status_url",
    },
}  # fmt: skip

# Settings of the services: keys of these maps are names that the user chooses.
USERS_KEYS: Final = {"tiers", "tier_modes"}
_SETTING: Final = "a setting of a service"
TEXT: Final = {"type": "string", "minLength": 1}
TYPES: Final[dict[str, dict[str, Any]]] = {
    "bool": {"type": "boolean"},
    "text": TEXT,
    # Kubernetes' object names (RFC 1123 subdomains).
    "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253},
    "cluster": {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"},
    "labels": {
        "type": "object",
        "propertyNames": {"pattern": "^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"},
        "additionalProperties": {
            "type": "string",
            "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$",
            "maxLength": 63,
        },
    },
    "texts": {"type": "object", "additionalProperties": {"type": "string"}},
    "url": {"type": "string", "pattern": "^https?://[^/ ]+"},
    "redis-url": {"type": "string", "pattern": "^rediss?://[^@ ]*$"},
    "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "count": {
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+%$"}]
    },
    "duration": {"type": "string", "pattern": DURATION_PATTERN},
    "rate": {"type": "string", "pattern": "^[1-9][0-9]{0,5}/(s|m|h)$"},
    "prometheus-duration": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
    # Bytes, or a suffix of Kubernetes or of redis.conf.
    "memory": {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^[1-9][0-9]*(Ki|Mi|Gi|k|M|G|kb|mb|gb)?$"},
        ]
    },
    "quantity": {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"},
        ]
    },
    "address": {"type": "string", "pattern": "^[^ :]+:[0-9]{1,5}$"},
    "pem": {"type": "string", "pattern": "^-----BEGIN CERTIFICATE-----"},
    # A parent chart's list of Secrets: some write names, some objects.
    "names": {
        "type": "array",
        "items": {
            "anyOf": [
                TEXT,
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"name": TEXT},
                    "required": ["name"],
                },
            ]
        },
    },
}
# Keys that Helm itself or a parent chart adds at the top.
ENABLED: Final = {
    "type": "boolean",
    "description": "Read by a parent chart's `condition`; this chart ignores it.",
}
# A date and time with its zone (RFC 3339).
MOMENT: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
)
CUSTOM: Final[dict[type, dict[str, Any]]] = {
    Duration: {"type": "string", "pattern": DURATION_PATTERN},
    Size: {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 10**12 - 1},  # as many digits as the text
            {"type": "string", "pattern": SIZE_PATTERN},
        ]
    },
}


class Value(NamedTuple):
    """One documented key of values.yaml."""

    path: tuple[str, ...]
    default: Any
    about: str


class Section(NamedTuple):
    """The values below one `## ` line."""

    title: str
    values: list[Value]


class UndocumentedError(Exception):
    """A key of values.yaml has no comment; `main` prints which."""


def sections(text: str) -> list[Section]:
    """Read values.yaml with its comments."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - a values.yaml is one
    titles = [(n, line[3:]) for n, line in enumerate(lines) if line.startswith("## ")]
    found = [Section(title, []) for _, title in titles]
    for value, line in _documented(root, lines, ()):
        index = max(i for i, (number, _) in enumerate(titles) if number < line)
        found[index].values.append(value)
    return found


def _documented(
    node: yaml.MappingNode, lines: list[str], path: tuple[str, ...]
) -> Iterator[tuple[Value, int]]:
    """Yield keys with a comment; below a key that has one, only keys that have their own."""
    for key, child in node.value:
        here = (*path, key.value)
        about = _comment_above(lines, key.start_mark.line)
        below = (
            list(_documented(child, lines, here))
            if isinstance(child, yaml.MappingNode) and child.value and not child.flow_style
            else []
        )
        own = [value for value, _ in below if value.about]
        if own:
            yield from ((value, line) for value, line in below)
        else:
            default = yaml.SafeLoader("").construct_object(child, deep=True)
            yield Value(here, default, about), key.start_mark.line


def _comment_above(lines: list[str], line: int) -> str:
    words: list[str] = []
    while line > 0 and re.match(r"\s*# ", lines[line - 1]):
        line -= 1
        words.insert(0, lines[line].strip()[2:])
    return " ".join(words)


def readme(head: str, found: list[Section]) -> str:
    """Return the README: its own part, then a table per section."""
    parts = [head.rstrip(), ""]
    for section in found:
        parts += [f"### {section.title}", "", "| value | default | meaning |", "|---|---|---|"]
        for value in section.values:
            if not value.about:
                raise UndocumentedError(".".join(value.path))
            about = value.about.replace("|", "\\|")
            parts.append(f"| `{'.'.join(value.path)}` | {_default(value.default)} | {about} |")
        parts.append("")
    return "\n".join(parts)


def _default(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see values.yaml"


def schema(source: dict[str, Any], found: list[Section]) -> dict[str, Any]:
    """Return the JSON Schema of the values."""
    about = {value.path: value.about for section in found for value in section.values}
    root = _typed(source, (), about)
    root["properties"]["enabled"] = ENABLED
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": "Values of etcd-shield", **root}


def _typed(
    kind: Any,  # noqa: ANN401 - plain YAML data
    path: tuple[str, ...],
    about: dict[tuple[str, ...], str],
) -> dict[str, Any]:
    said = {"description": about[path]} if about.get(path) else {}
    if isinstance(kind, list):
        return {**said, "type": "array", "items": _typed(kind[0], (*path, "[]"), about)}
    if isinstance(kind, dict):
        properties = {
            key: _typed(child, (*path, key), about) for key, child in kind.items() if key != ANY_KEY
        }
        if ANY_KEY in kind:
            # A parent chart may set it to null, and it holds the values of other charts too.
            return {**said, "type": ["object", "null"], "properties": properties}
        return {**said, **_object(properties)}
    if kind.startswith("settings "):
        return {**said, **_settings(kind.removeprefix("settings "), path, about)}
    return {**said, **_scalar(kind)}


def required(source: Any, defaults: Any, path: tuple[str, ...] = ()) -> dict[str, str]:  # noqa: ANN401 - plain YAML data
    """Return the values that the templates need: dotted path -> default, as YAML on one line.

    Helm removes a key that the user sets to null. That is harmless where the value may be empty,
    where Kubernetes has a default of its own, and below maps whose keys are the user's.
    """
    if str(source).startswith("optional ") or (not defaults and defaults is not False):
        return {}
    here = {".".join(path): _one_line(defaults)} if path else {}
    if isinstance(source, dict) or str(source).startswith("settings "):
        below = source if isinstance(source, dict) else dict.fromkeys(defaults, _SETTING)
        return here | {
            name: default
            for key, kind in below.items()
            if key != ANY_KEY and not (path == () and key == "global")
            for name, default in required(kind, defaults[key], (*path, key)).items()
        }
    if source == _SETTING and isinstance(defaults, dict) and path[-1] not in USERS_KEYS:
        return here | {
            name: default
            for key, child in defaults.items()
            for name, default in required(_SETTING, child, (*path, key)).items()
        }
    is_map = str(source) in {"labels", "texts"} or str(source).startswith("kubernetes ")
    return {} if is_map else here


def _one_line(default: object) -> str:
    text = json.dumps(default, ensure_ascii=False)
    return text if len(text) <= LONGEST_DEFAULT else ""


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _scalar(kind: str) -> dict[str, Any]:
    if kind.startswith("one of "):
        words = kind.removeprefix("one of ").removesuffix(" or empty").split()
        return {"enum": [*words, *([""] if kind.endswith(" or empty") else [])]}
    if kind.startswith("integer "):
        low, high = kind.removeprefix("integer ").split("..")
        return {"type": "integer", "minimum": int(low), "maximum": int(high)}
    if kind.startswith("kubernetes "):
        return {"type": "object", "$comment": f"Kubernetes: {kind.removeprefix('kubernetes ')}"}
    if kind == "optional text":
        return {"type": "string"}
    if kind.startswith("optional "):
        return {"anyOf": [{"const": ""}, TYPES[kind.removeprefix("optional ")]]}
    return TYPES[kind]


def _settings(
    service: str, path: tuple[str, ...], about: dict[tuple[str, ...], str]
) -> dict[str, Any]:
    struct = inspect.type_info(SETTINGS[service])
    assert isinstance(struct, inspect.StructType)  # noqa: S101 - all settings are
    fields = [field for field in struct.fields if field.encode_name not in OWNED[service]]
    # Nothing is required here: values.yaml has what the service needs.
    properties = {field.encode_name: _of_type(field.type) for field in fields}
    for key, property_ in properties.items():
        if (*path, key) in about:
            property_["description"] = about[*path, key]
    return _object(properties)


def _of_type(kind: inspect.Type) -> dict[str, Any]:  # noqa: C901, PLR0911 - one case per type
    """Return the JSON Schema of one type of the services' settings."""
    match kind:
        case inspect.StructType():
            required = [field.encode_name for field in kind.fields if field.required]
            whole = _object({field.encode_name: _of_type(field.type) for field in kind.fields})
            return {**whole, **({"required": required} if required else {})}
        case inspect.UnionType():
            # Helm reads null as "not set", so None is no value here.
            some = [_of_type(t) for t in kind.types if not isinstance(t, inspect.NoneType)]
            return some[0] if len(some) == 1 else {"anyOf": some}
        case inspect.LiteralType():
            return {"enum": list(kind.values)}
        case inspect.VarTupleType():
            bounds = {"minItems": kind.min_length, "maxItems": kind.max_length}
            return {"type": "array", "items": _of_type(kind.item_type), **_given(bounds)}
        case inspect.DictType():
            bounds = {"minProperties": kind.min_length, "maxProperties": kind.max_length}
            keys = {k: v for k, v in _of_type(kind.key_type).items() if k != "type"}
            names = {"propertyNames": keys} if keys else {}
            values = {"additionalProperties": _of_type(kind.value_type)}
            return {"type": "object", **names, **values, **_given(bounds)}
        case inspect.StrType():
            bounds = {"minLength": kind.min_length, "maxLength": kind.max_length}
            return {"type": "string", **_given({**bounds, "pattern": _for_go(kind.pattern)})}
        case inspect.IntType():
            return {"type": "integer", **_given({"minimum": kind.ge, "maximum": kind.le})}
        case inspect.FloatType():
            return {"type": "number"}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.DateTimeType():
            return {"type": "string", "pattern": MOMENT}
        case inspect.CustomType(cls=cls) if cls in CUSTOM:
            return dict(CUSTOM[cls])
        case _:
            raise NotImplementedError(kind)


def _for_go(pattern: str | None) -> str | None:
    """Return a pattern as Go reads it, where `$` is the end of the text alone."""
    return pattern and pattern.removesuffix("(?!\\n)")


def _given(limits: dict[str, Any]) -> dict[str, Any]:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Run the command line; with `--check` the exit code is 1 when a file is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, report stale files")
    arguments = parser.parse_args()

    try:
        found = sections((CHART / "values.yaml").read_text())
        head = (CHART / "README.md").read_text().partition(START)[0] + START + "\n"
        source = yaml.safe_load((CHART / "values.schema.src.yaml").read_text())
        fresh = {
            "README.md": readme(head, found),
            "values.schema.json": _json(schema(source, found)),
            "files/required-values.json": _json(
                required(source, yaml.safe_load((CHART / "values.yaml").read_text()))
            ),
        }
    except UndocumentedError as error:
        print(f"tools/chart.py: {error} in values.yaml has no comment", file=sys.stderr)
        return 1
    files = {CHART / name: text for name, text in fresh.items()}
    stale = [file for file, text in files.items() if not file.exists() or file.read_text() != text]
    if arguments.check:
        for file in stale:
            print(f"{file.name} is stale: run `make chart`", file=sys.stderr)
        return 1 if stale else 0
    for file in stale:
        file.write_text(files[file])
        print(f"wrote {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
