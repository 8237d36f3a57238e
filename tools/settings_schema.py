"""Write docs/*.schema.json, one per service, from the settings' own types.

An editor that knows them completes keys and marks slips. What depends on more than one place
(reset below set, names that resolve) a schema cannot say; `shield-evaluator check` does.

msgspec's own generator cannot write a default that is a duration, hence this walk over the types.
"""

import json
from pathlib import Path
from typing import Any

from msgspec import NODEFAULT, Struct, inspect

from shield_admitter.settings import AdmitterSettings
from shield_common.config.types import (
    DURATION_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    Duration,
    Rate,
    Size,
)
from shield_controller.settings import ControllerSettings
from shield_evaluator.settings import EvaluatorSettings

DOCS = Path(__file__).resolve().parent.parent / "docs"
KINDS: dict[str, type[Struct]] = {
    "evaluator": EvaluatorSettings,
    "admitter": AdmitterSettings,
    "controller": ControllerSettings,
}

_PLAIN = {
    inspect.StrType: "string",
    inspect.FloatType: "number",
    inspect.IntType: "integer",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "pattern": "pattern",
}
_CUSTOM: dict[type, dict[str, Any]] = {
    Duration: {"type": "string", "pattern": DURATION_PATTERN},
    Rate: {"type": "string", "pattern": RATE_PATTERN},
    Size: {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": SIZE_PATTERN}]},
}


def schema(service: str) -> str:
    """Return the JSON Schema (draft 2020-12) of a service's file."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"etcd-shield {service} configuration",
        **_of(inspect.type_info(KINDS[service])),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _of(kind: inspect.Type) -> dict[str, Any]:  # noqa: PLR0911 - one answer per kind of type
    match kind:
        case inspect.Metadata():
            return _of(kind.type)
        case inspect.StructType():
            return _struct(kind)
        case inspect.DictType():
            keys = _of(kind.key_type)
            named = {"propertyNames": keys} if "pattern" in keys else {}
            values = _of(kind.value_type)
            sizes_ = _sizes(kind, "Properties")
            return {"type": "object", **named, "additionalProperties": values, **sizes_}
        case inspect.VarTupleType() | inspect.ListType():
            return {"type": "array", "items": _of(kind.item_type), **_sizes(kind, "Items")}
        case inspect.LiteralType():
            return {"enum": list(kind.values)}
        case inspect.UnionType():
            parts = [_of(one) for one in kind.types if not isinstance(one, inspect.NoneType)]
            return parts[0] if len(parts) == 1 else {"anyOf": parts}
        case inspect.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case inspect.CustomType():
            return dict(_CUSTOM[kind.cls])
        case _:
            bounds = {
                theirs: getattr(kind, ours)
                for ours, theirs in _BOUNDS.items()
                if getattr(kind, ours, None) is not None
            }
            return {"type": _PLAIN[type(kind)], **bounds, **_sizes(kind, "Length")}


def _struct(kind: inspect.StructType) -> dict[str, Any]:
    properties = {}
    for field in kind.fields:
        properties[field.encode_name] = _of(field.type)
        default = field.default
        if default is not NODEFAULT and isinstance(default, str | int | float | bool):
            shown = str(default) if isinstance(default, Duration | Rate) else default
            properties[field.encode_name]["default"] = shown
    return {
        "type": "object",
        "properties": properties,
        "required": [field.encode_name for field in kind.fields if field.required],
        "additionalProperties": False,
    }


def _sizes(kind: inspect.Type, what: str) -> dict[str, int]:
    bounds = {"min": getattr(kind, "min_length", None), "max": getattr(kind, "max_length", None)}
    return {f"{which}{what}": size for which, size in bounds.items() if size is not None}


def main() -> None:
    """Write all files."""
    for service in KINDS:
        (DOCS / f"{service}.schema.json").write_text(schema(service), encoding="utf-8")


if __name__ == "__main__":
    main()
