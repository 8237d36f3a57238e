"""Typed settings from YAML files.

Belongs here: reading a file into a msgspec struct, and turning every mistake into one line that
names the file and the path inside it. The settings themselves belong to each service.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import yaml
from msgspec import Struct

from shield_common.config.errors import explain, split_field
from shield_common.config.types import Duration, Rate, Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

T = TypeVar("T", bound=Struct)

# A service's settings are a few KiB; the bound keeps a wrong path from filling the memory.
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32  # a settings file has five levels

# What a pod injects (a secret's value, a level for one incident): variable -> path in the file.
ENVIRONMENT: Final[Mapping[str, tuple[str, ...]]] = {
    "SHIELD_REDIS_URL": ("redis", "url"),
    "SHIELD_LOG_LEVEL": ("log", "level"),
    "SHIELD_LOG_FORMAT": ("log", "format"),
}

_NO_ORIGINS: Final[Mapping[str, str]] = MappingProxyType({})

_BAD_KEY: Final = "has a key that is not text; a decimal comma makes one, as in {set: 0,90}"
# A mapping's key that is no text is reported as "at `key` in `$.path`".
_LOCATION: Final = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`$")
_ANY_KEY: Final = "[...]"

# What PyYAML's sentences begin with, and the same in words.
_YAML_WORDS: Final = {
    "but found another document": "a second document begins here; a file has one",
    "could not determine a constructor for the tag": "tags are not supported",
    "found character '\\t' that cannot start": "a tab cannot indent a line; use spaces",
}

_TAG_PREFIX: Final = "tag:yaml.org,2002:"
_REPLACED_TAGS: Final = {f"{_TAG_PREFIX}{name}" for name in ("bool", "float", "int", "timestamp")}


class SettingsError(Exception):
    """A file cannot be used as settings; the command line prints it as one line and exits 2."""


class SettingsStruct(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings struct: immutable, by keyword, unknown keys are errors."""


class _Loader(yaml.SafeLoader):
    """Reads scalars as YAML 1.2 does, and refuses duplicate keys and deep nesting.

    YAML 1.1 reads ``off`` as false, ``2026-12-01`` as a date, ``010`` as 8 and ``1:30`` as 90;
    ``mode: off`` has to remain a word. A number with a leading zero (``010``) is text here, which
    no number setting accepts.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the parent's way to declare them
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - the parent's signature
        # Checked while reading: a few KiB of brackets keep the scanner busy for a minute.
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"nested deeper than {MAX_DEPTH} levels", mark
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the parent's signature
        keys = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key has to be plain text", key_node.start_mark
                )
            if key_node.value in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key_node.value!r} is a duplicate", key_node.start_mark
                )
            keys.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


# https://yaml.org/spec/1.2.2/#103-core-schema, without values that no setting can have: infinity,
# not-a-number, and integers beyond 18 digits.
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]{0,17})$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?$",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(f"{_TAG_PREFIX}{_tag}", re.compile(_pattern), list(_first))


def load(path: Path, kind: type[T], *, environment: Mapping[str, str]) -> T:
    """Read one settings file.

    Args:
        path: the YAML file.
        kind: the struct to fill.
        environment: the process environment; ``SHIELD_*`` variables of ``ENVIRONMENT`` win
            over the file.

    Raises:
        SettingsError: the file is missing, unreadable, not YAML, or not such settings.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > MAX_FILE_BYTES:
        raise SettingsError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    return parse(text, kind, source=str(path), environment=environment)


def parse(text: bytes | str, kind: type[T], *, source: str, environment: Mapping[str, str]) -> T:
    """Read settings from YAML text; ``source`` names it in errors.

    Raises:
        SettingsError: as for `load`.
    """
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SettingsError(f"{source}: not YAML: {yaml_problem(error)}") from error
    if not isinstance(raw, dict):
        raise SettingsError(f"{source}: the file must hold a mapping, not {_type_name(raw)}")
    origins = _apply_environment(raw, kind, environment)
    try:
        return convert(raw, kind, origins=origins)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error


def convert(raw: dict[str, Any], kind: type[T], *, origins: Mapping[str, str] = _NO_ORIGINS) -> T:
    """Fill a struct from plain data.

    Args:
        raw: the data.
        kind: the struct.
        origins: path of a value that does not come from the file -> its environment variable.

    Raises:
        SettingsError: the message names the path, for example
            ``tiers.standard.db-file: reset must be below set``.
    """
    try:
        return _convert(raw, kind)
    except msgspec.ValidationError as error:
        steps, problem = _locate(raw, kind, str(error))
        place, problem = split_field(explain(problem, kind, steps), kind, steps)
        path = ".".join(part for part in (_render(steps), place) if part)
        where = f"{path} (from {origins[path]})" if path in origins else path
        raise SettingsError(f"{where}: {problem}" if where else problem) from error


def _convert(raw: dict[str, Any], kind: type[T]) -> T:
    return msgspec.convert(raw, kind, dec_hook=_decode_custom)


def _decode_custom(kind: type, value: object) -> object:
    if kind is Duration:
        if not isinstance(value, str):
            raise ValueError(f"must be a duration such as 15s, not {_type_name(value)}")
        return Duration.parse(value)
    if kind is Size:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"must be a size such as 8Mi, not {_type_name(value)}")
        return Size.parse(str(value))
    if kind is Rate:
        if not isinstance(value, str):
            raise ValueError(f"must be a rate such as 60/m, not {_type_name(value)}")
        return Rate.parse(value)
    raise NotImplementedError(kind)


def _apply_environment(
    raw: dict[str, Any], kind: type[Struct], environment: Mapping[str, str]
) -> dict[str, str]:
    """Write the variables into the data, and return path -> variable."""
    origins: dict[str, str] = {}
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for variable, (section, key) in ENVIRONMENT.items():
        value = environment.get(variable)
        if value and section in known:
            part = raw.get(section)
            if part is None:
                part = raw[section] = {}
            if isinstance(part, dict):
                part[key] = value
                origins[f"{section}.{key}"] = variable
    return origins


def _locate(raw: dict[str, Any], kind: type[Struct], message: str) -> tuple[list[str | int], str]:
    """Split msgspec's message into the path and the problem, with the keys of mappings filled in.

    msgspec writes ``[...]`` for any key of a mapping. The loader finds the key by converting again
    with the mapping reduced to one key at a time.
    """
    location = _LOCATION.search(message)
    if location is None:
        return [], message
    problem = _BAD_KEY if location["key"] else message[: location.start()]
    path = location["path"]
    steps: list[str | int] = []
    cut = raw
    for step in _steps(path):
        if step == _ANY_KEY:
            for key in _mapping_at(raw, steps):
                candidate = _with_only(raw, [*steps, key])
                try:
                    _convert(candidate, kind)
                except msgspec.ValidationError as error:
                    if str(error) == message:
                        steps.append(str(key))
                        cut = candidate
                        break
            else:
                return [path.lstrip(".")], problem
            raw = cut
        else:
            steps.append(step)
    return steps, problem


def _steps(path: str) -> Iterator[str | int]:
    for name, index in re.findall(r"\.([^.\[]+)|\[(\.\.\.|\d+)\]", path):
        if name:
            yield name
        else:
            yield _ANY_KEY if index == "..." else int(index)


def _mapping_at(raw: Any, steps: list[str | int]) -> list[str]:  # noqa: ANN401 - plain YAML data
    for step in steps:
        raw = raw[step]
    return list(raw) if isinstance(raw, dict) else []


def _with_only(raw: Any, steps: list[str | int]) -> Any:  # noqa: ANN401 - plain YAML data
    """Return a copy of the data in which the mapping at the last step has that key alone."""
    step, rest = steps[0], steps[1:]
    if not rest:
        return {step: raw[step]}
    copy: Any = dict(raw) if isinstance(raw, dict) else list(raw)
    copy[step] = _with_only(raw[step], rest)
    return copy


def _render(steps: list[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def _type_name(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def yaml_problem(error: Exception) -> str:
    """Return the problem and its position, without the line itself: it may hold a password."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        problem = error.problem or error.context or ""
        problem = next(
            (w for start, w in _YAML_WORDS.items() if problem.startswith(start)), problem
        )
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    if isinstance(error, yaml.reader.ReaderError | UnicodeDecodeError):
        return "it has bytes that are no text"
    return " ".join(str(error).split())
