"""What msgspec finds wrong in a settings file, and what the place would have taken instead.

Where in the file belongs to `shield_common.config.loader`; what only a service knows, to its own
settings.
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
# How a struct's own check names the field at fault: "url: names no host", "urls[0]: is no URL".
_OWN_FIELD: Final = re.compile(
    r"(?P<place>(?P<field>[a-z_]+)(?:\[\d+\])?): (?P<problem>.+)", re.DOTALL
)
_UNKNOWN_WORD: Final = re.compile(r"^Invalid enum value ")
_NAME: Final = (
    "must be 1 to 63 letters, digits, dots, hyphens or underscores, "
    "with a letter or digit at both ends"
)
_PATTERNS: Final = {NAME_PATTERN: _NAME, LINK_PATTERN: "must be an http:// or https:// URL"}


def explained(problem: str, kind: type[Struct], steps: Sequence[str | int]) -> str:
    """Return msgspec's sentence with what the place takes.

    Args:
        problem: msgspec's sentence, without the path.
        kind: the settings struct.
        steps: keys and positions that lead from it to the place.
    """
    there = _at(inspect.type_info(kind), steps)
    if isinstance(there, inspect.StructType) and (found := _UNKNOWN_KEY.search(problem)):
        near = get_close_matches(found["key"], [field.encode_name for field in there.fields], n=1)
        return f"{problem}, did you mean `{near[0]}`?" if near else problem
    if _UNKNOWN_WORD.match(problem) and (words := _words(there)):
        return f"{problem}, it takes {', '.join(words)}"
    return next(
        (words for pattern, words in _PATTERNS.items() if repr(pattern) in problem), problem
    )


def pinned(problem: str, kind: type[Struct], steps: Sequence[str | int]) -> tuple[str, str]:
    """Split the field that a struct's own check names off the problem; empty if it names none.

    Args:
        problem: the check's sentence, without the path.
        kind: the settings struct.
        steps: keys and positions that lead from it to the struct that was checked.
    """
    there = _at(inspect.type_info(kind), steps)
    found = _OWN_FIELD.fullmatch(problem)
    if found is None or not isinstance(there, inspect.StructType):
        return "", problem
    if found["field"] not in {field.encode_name for field in there.fields}:
        return "", problem
    return found["place"], found["problem"]


def _at(kind: inspect.Type, steps: Sequence[str | int]) -> inspect.Type | None:
    there: inspect.Type | None = _bare(kind)
    for step in steps:
        match there:
            case inspect.StructType():
                fields = {field.encode_name: field.type for field in there.fields}
                below = fields.get(str(step))
            case inspect.DictType():
                below = there.value_type
            case inspect.ListType() | inspect.VarTupleType() | inspect.CollectionType():
                below = there.item_type
            case _:
                below = None
        there = None if below is None else _bare(below)
    return there


def _bare(kind: inspect.Type) -> inspect.Type:
    """Return the type without what surrounds it: its description, and that it may be left out."""
    if isinstance(kind, inspect.Metadata):
        return _bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        present = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return _bare(present[0]) if len(present) == 1 else kind
    return kind


def _words(there: inspect.Type | None) -> list[str]:
    match there:
        case inspect.LiteralType():
            return [str(value) for value in there.values]
        case inspect.EnumType():
            return [str(member.value) for member in there.cls]
        case _:
            return []
