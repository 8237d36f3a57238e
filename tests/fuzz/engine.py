"""One target under Atheris, which ends the process when it is done (`python -m tests.fuzz`).

What reads the bytes in earnest is C, which tells no coverage. So the guide is the JSON reader of
the standard library in its Python form, and half of the mutations are of values, not of bytes.
"""

import json
import random
import sys
from contextlib import suppress
from json import decoder, scanner
from typing import Any

import atheris

with atheris.instrument_imports(
    include=[
        "shield_admitter.core",
        "shield_common.decision",
        "shield_common.store.admitted",
        "shield_controller.core",
        "shield_evaluator.core.reservations",
        "tests",
    ]
):
    from tests.fuzz.targets import TARGETS

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1.5, 10**25),
    *("", "a", "\\", '"]', "}\u20ac", "0001-01-01T00:00:00+23:59"),
    *([], {}, [[[[[1]]]]], {"a": {"b": {"c": [{}]}}}),
)


class _Guide(json.JSONDecoder):
    """Python's own reader without its C, and instrumented."""

    def __init__(self) -> None:
        super().__init__()
        # Documented in the module alone; there is no other way to have it without C.
        self.parse_string = atheris.instrument_func(decoder.py_scanstring)  # type: ignore[attr-defined]
        self.parse_object = atheris.instrument_func(decoder.JSONObject)  # type: ignore[attr-defined]
        self.parse_array = atheris.instrument_func(decoder.JSONArray)  # type: ignore[attr-defined]
        self.scan_once = scanner.py_make_scanner(self)  # type: ignore[attr-defined]


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change one value somewhere, or some bytes if there are no values or by chance."""
    chance = random.Random(seed)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict | list) or chance.random() < 0.5:
        mutated: bytes = atheris.Mutate(data, len(data))
        return mutated
    _change(document, chance)
    changed = json.dumps(document, ensure_ascii=chance.random() < 0.5)
    return changed.encode("utf-8", "surrogatepass")[:max_size]


def _change(document: Any, chance: random.Random) -> None:
    places = list(_places(document))
    inside, key = chance.choice(places) if places else (document, None)
    if key is None:
        return
    match chance.randrange(3):
        case 0:
            del inside[key]
        case 1:
            inside[key] = chance.choice(ODD)
        case _:
            other, at = chance.choice(places)
            inside[key] = json.loads(json.dumps(other[at]))


def _places(inside: Any) -> list[tuple[Any, Any]]:
    keys = list(inside) if isinstance(inside, dict) else range(len(inside))
    found: list[tuple[Any, Any]] = [(inside, key) for key in keys]
    for key in keys:
        if isinstance(inside[key], dict | list):
            found += _places(inside[key])
    return found


def main() -> None:
    """Take the target's name, then what libFuzzer takes."""
    program, name, *options = sys.argv
    guide = _Guide()

    def guided(data: bytes) -> None:
        with suppress(ValueError, RecursionError):
            guide.decode(data.decode())
        TARGETS[name](data)

    atheris.Setup([program, *options], guided, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
