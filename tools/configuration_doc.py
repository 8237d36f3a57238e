"""Write docs/configuration.md from the settings' own types and docstrings."""

import inspect as python_inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec import NODEFAULT, Struct, inspect

from shield_common.config.loader import ENVIRONMENT
from shield_common.config.types import Duration, Rate, Size
from tools.settings_schema import KINDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

_ATTRIBUTE = re.compile(r"^(?P<name>\w+): (?P<text>.*)$")
_PLAIN = {
    inspect.StrType: "text",
    inspect.FloatType: "number",
    inspect.IntType: "integer",
    inspect.BoolType: "`true` or `false`",
    inspect.DateTimeType: "time (RFC 3339)",
}
_CUSTOM = {Duration: "duration", Rate: "rate", Size: "size"}

_HEAD = """# Configuration

Written by `make generate` from the settings' types. The same as JSON Schemas:
[evaluator](evaluator.schema.json), [admitter](admitter.schema.json),
[controller](controller.schema.json). To begin with: [examples](examples/).

Each service reads one YAML file (`--config`). A key that does not exist, a value that cannot be and
settings that contradict each other are refused before anything starts: exit code 2, and one line
that names file and path. The `check` command of each service tells without starting. The file is
re-read when it changes; a bad new file leaves the old settings in force, is logged and counted.

A *duration* is written as in Go (`15s`, `1h30m`), a *size* in bytes or with a suffix (`8Mi`),
a *rate* with its unit (`60/m`). `off`
is a word and not *false*: scalars are read as YAML 1.2 reads them.

These environment variables win over the file:

"""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a file: its path, what it takes, what it is without one, what it means."""

    path: str
    kind: str
    default: str
    meaning: str


def page() -> str:
    """Return the whole page."""
    variables = "".join(f"- `{name}`: `{'.'.join(path)}`\n" for name, path in ENVIRONMENT.items())
    return _HEAD + variables + "".join(_section(service) for service in KINDS)


def keys(kind: type[Struct], prefix: str = "") -> Iterator[Key]:
    """Walk over every key of a settings type."""
    meanings = _meanings(kind)
    described = inspect.type_info(kind)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{kind} is no struct")
    for field in described.fields:
        path = f"{prefix}{field.encode_name}"
        yield Key(
            path=path,
            kind=_kind(field.type),
            default="required" if field.required else _default(field.default),
            meaning=meanings.get(field.name, ""),
        )
        for below, suffix in _below(field.type):
            yield from keys(below, f"{path}{suffix}.")


def _section(service: str) -> str:
    rows = "".join(
        f"| `{key.path}` | {key.kind} | {key.default} | {key.meaning} |\n"
        for key in keys(KINDS[service])
    )
    return f"\n## {service}.yaml\n\n| key | takes | default | meaning |\n|---|---|---|---|\n{rows}"


def _below(kind: inspect.Type) -> Iterator[tuple[type[Struct], str]]:
    """Yield the structs inside a type, with how one gets to them."""
    match kind:
        case inspect.Metadata():
            yield from _below(kind.type)
        case inspect.StructType():
            yield kind.cls, ""
        case inspect.DictType():
            yield from ((cls, f".NAME{rest}") for cls, rest in _below(kind.value_type))
        case inspect.VarTupleType() | inspect.ListType():
            yield from ((cls, f"[]{rest}") for cls, rest in _below(kind.item_type))
        case inspect.UnionType():
            for one in kind.types:
                yield from _below(one)
        case _:
            pass


def _kind(kind: inspect.Type) -> str:  # noqa: PLR0911 - one answer per kind of type
    match kind:
        case inspect.Metadata():
            return _kind(kind.type)
        case inspect.StructType():
            return "mapping"
        case inspect.DictType():
            return f"mapping of {_kind(kind.value_type)}"
        case inspect.VarTupleType() | inspect.ListType():
            return f"list of {_kind(kind.item_type)}"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.UnionType():
            return " or ".join(
                _kind(one) for one in kind.types if not isinstance(one, inspect.NoneType)
            )
        case inspect.CustomType():
            return _CUSTOM[kind.cls]
        case _:
            return _PLAIN[type(kind)]


def _default(default: object) -> str:
    if default is NODEFAULT or isinstance(default, Struct) or default is None:
        return ""
    if isinstance(default, Duration | Rate):
        return f"`{default}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{default}`"


def _meanings(kind: type) -> dict[str, str]:
    """Read what each attribute means from the docstrings of a type and of its parents."""
    found: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        lines = python_inspect.cleandoc(parent.__doc__ or "").partition("Attributes:\n")[2]
        name = ""
        for line in lines.splitlines():
            text = line.strip()
            if line.startswith("        "):
                found[name] += f" {text}"
            elif match := _ATTRIBUTE.match(text):
                name = match["name"]
                found[name] = match["text"]
    return {name: _for_markdown(text) for name, text in found.items()}


def _for_markdown(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
