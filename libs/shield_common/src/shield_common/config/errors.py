"""Sentences for the errors that msgspec reports about settings, with the values that are valid.

The path to the error belongs to `shield_common.config.loader`; rules that only one service knows
belong to its settings.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from msgspec import inspect

from shield_common.config.types import LINK_PATTERN, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgspec import Struct

_UNKNOWN_KEY: Final = re.compile(r"unknown field `(?P<key>[^`]*)`$")
# How a struct's own check names its field: "url: has no host", "urls[0]: is not a URL".
_OWN_FIELD: Final = re.compile(
    r"(?P<place>(?P<field>[a-z_]+)(?:\[\d+\])?): (?P<problem>.+)", re.DOTALL
)
_MISSING_KEY: Final = re.compile(r"^Object missing required field `(?P<key>[^`]*)`$")
_UNKNOWN_WORD: Final = re.compile(r"^Invalid enum value (?P<value>.+)$", re.DOTALL)
_OTHER_TYPE: Final = re.compile(r"^Expected `(?P<wanted>[^`]+)`, got `(?P<given>\w+)`$")
_BOUND: Final = re.compile(r"^Expected `\w+(?: \| null)?` (?P<sign>[<>]=?) (?P<bound>\S+)$")
_LENGTH: Final = re.compile(r"^Expected `(?P<type>\w+)[^`]*` of length (?P<sign>[<>]=) (?P<n>\d+)$")

_TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
    "datetime": "a time",
}
_A_TIME: Final = "must be a time such as 2026-12-01T00:00:00Z"
_OTHERS: Final = {
    "Invalid RFC3339 encoded datetime": _A_TIME,
    "Expected `datetime` with a time": _A_TIME,
    "Expected `str` matching regex": "has characters that are not allowed here, or too many",
}
_SIGNS: Final = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}
_NAME: Final = (
    "must be 1 to 63 letters, digits, dots, hyphens or underscores, "
    "with a letter or digit at both ends"
)
_PATTERNS: Final = {NAME_PATTERN: _NAME, LINK_PATTERN: "must be an http:// or https:// URL"}


def explain(problem: str, kind: type[Struct], steps: Sequence[str | int]) -> str:
    """Return msgspec's sentence in plain words, with the valid values of the field.

    Args:
        problem: msgspec's sentence, without the path.
        kind: the settings struct.
        steps: keys and positions that lead from it to the field.
    """
    target = _at(inspect.type_info(kind), steps)
    if isinstance(target, inspect.StructType) and (match := _UNKNOWN_KEY.search(problem)):
        near = get_close_matches(match["key"], [field.encode_name for field in target.fields], n=1)
        return f"{plain(problem)}, did you mean `{near[0]}`?" if near else plain(problem)
    if (match := _UNKNOWN_WORD.match(problem)) and (words := _words(target)):
        return f"{match['value']} is not one of {', '.join(words)}"
    return next(
        (words for pattern, words in _PATTERNS.items() if repr(pattern) in problem), plain(problem)
    )


def plain(problem: str) -> str:
    """Return a sentence of msgspec in plain words; one that is not known stays as it is.

    Args:
        problem: msgspec's sentence, without the path.
    """
    if match := _UNKNOWN_KEY.search(problem):
        return f"unknown key `{match['key']}`"
    if match := _MISSING_KEY.match(problem):
        return f"the key `{match['key']}` is missing"
    if match := _OTHER_TYPE.match(problem):
        return _other_type(match["wanted"].split(" | "), match["given"])
    if match := _BOUND.match(problem):
        return f"must be {_SIGNS[match['sign']]} {match['bound'].removesuffix('.0')}"
    if match := _LENGTH.match(problem):
        return _length(match["type"], match["sign"], int(match["n"]))
    return next((words for start, words in _OTHERS.items() if problem.startswith(start)), problem)


def plain_with_path(error: Exception) -> str:
    """Return msgspec's error about a document in plain words, the path in it first."""
    problem, _, path = str(error).partition(" - at `$")
    path = path.strip(".`")
    return f"{path}: {plain(problem)}" if path else plain(problem)


def _other_type(wanted: Sequence[str], given: str) -> str:
    names = [_TYPES.get(name, name) for name in wanted if name != "null"]
    must = f"must be {' or '.join(names)}"
    # A fraction, or more digits than a whole number may have, is a number as well.
    return must if given == "float" else f"{must}, not {_TYPES.get(given, given)}"


def _length(kind: str, sign: str, number: int) -> str:
    if (sign, number) == (">=", 1):
        return "must not be empty"
    return f"must have {_SIGNS[sign]} {number} {'characters' if kind == 'str' else 'entries'}"


def split_field(problem: str, kind: type[Struct], steps: Sequence[str | int]) -> tuple[str, str]:
    """Split the field from a problem that a struct's own check reports; empty if it names none.

    Args:
        problem: the check's sentence, without the path.
        kind: the settings struct.
        steps: keys and positions that lead from it to the checked struct.
    """
    target = _at(inspect.type_info(kind), steps)
    match = _OWN_FIELD.fullmatch(problem)
    if match is None or not isinstance(target, inspect.StructType):
        return "", problem
    if match["field"] not in {field.encode_name for field in target.fields}:
        return "", problem
    return match["place"], match["problem"]


def _at(kind: inspect.Type, steps: Sequence[str | int]) -> inspect.Type | None:
    target: inspect.Type | None = _unwrapped(kind)
    for step in steps:
        match target:
            case inspect.StructType():
                fields = {field.encode_name: field.type for field in target.fields}
                below = fields.get(str(step))
            case inspect.DictType():
                below = target.value_type
            case inspect.ListType() | inspect.VarTupleType() | inspect.CollectionType():
                below = target.item_type
            case _:
                below = None
        target = None if below is None else _unwrapped(below)
    return target


def _unwrapped(kind: inspect.Type) -> inspect.Type:
    """Return a type without its metadata and without the None of an optional field."""
    if isinstance(kind, inspect.Metadata):
        return _unwrapped(kind.type)
    if isinstance(kind, inspect.UnionType):
        present = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
        return _unwrapped(present[0]) if len(present) == 1 else kind
    return kind


def _words(target: inspect.Type | None) -> list[str]:
    match target:
        case inspect.LiteralType():
            return [str(value) for value in target.values]
        case inspect.EnumType():
            return [str(member.value) for member in target.cls]
        case _:
            return []
