"""The form that each answer of Redis must have.

A proxy, or another server in Redis' place, may answer a command with another type than Redis does.
That is a failure of the store like any other: `StoreError`, never an error of the code that reads
the answer. What a value means belongs to the operations in `shield_common.store.redis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shield_common.store.admitted import MAX_ITEM_BYTES
from shield_common.store.protocol import (
    MAX_COUNT,
    MAX_COUNT_FIELDS,
    Claim,
    PublishAnswer,
    PublishResult,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MALFORMED: Final = "malformed"  # `StoreError.kind`
_MOST_DIGITS: Final = len(str(MAX_COUNT))
_ADVICE: Final = "a proxy or another server seems to answer in Redis' place"


def malformed(command: str, answer: object, expected: str) -> StoreError:
    """Return the error for an answer of another form.

    Args:
        command: what was asked, for example ``GET etcd-shield:{rh01}:latches``.
        answer: as redis-py gives it.
        expected: the form that Redis answers with, for example ``an integer``.
    """
    message = f"the answer to {command} is {_form(answer)} instead of {expected}: {_ADVICE}"
    return StoreError(MALFORMED, message)


def unreadable(error: Exception) -> StoreError:
    """Return the error for an answer on which redis-py itself failed."""
    message = f"an answer cannot be read ({type(error).__name__}: {error}): {_ADVICE}"
    return StoreError(MALFORMED, " ".join(message.split()))


def integer(command: str, answer: object, *, least: int = 0) -> int:
    """Return an integer that is not below ``least``.

    Raises:
        StoreError: the answer is none.
    """
    if not isinstance(answer, int) or answer < least:
        raise malformed(command, answer, f"an integer of at least {least}")
    return answer


def digits(command: str, answer: object) -> int:
    """Return an integer from 0 to `MAX_COUNT` that is written as text.

    Raises:
        StoreError: the answer is none.
    """
    # The length first: int() refuses thousands of digits with an error of its own.
    if isinstance(answer, bytes) and len(answer) <= _MOST_DIGITS and answer.isdigit():
        number = int(answer)
        if number <= MAX_COUNT:
            return number
    raise malformed(command, answer, "a number of at most 2^53 in digits")


def text(command: str, answer: object) -> bytes:
    """Return a string.

    Raises:
        StoreError: the answer is none.
    """
    if not isinstance(answer, bytes):
        raise malformed(command, answer, "a string")
    return answer


def text_or_nil(command: str, answer: object) -> bytes | None:
    """Return a string, or None for nil.

    Raises:
        StoreError: the answer is neither.
    """
    return None if answer is None else text(command, answer)


def items(command: str, answer: object, length: int | None = None) -> Sequence[Any]:
    """Return a list, of ``length`` items if that is given.

    Raises:
        StoreError: the answer is none.
    """
    if not isinstance(answer, list) or length not in {None, len(answer)}:
        expected = "a list" if length is None else f"a list of {length} items"
        raise malformed(command, answer, expected)
    return answer


def status(command: str, answer: object, *, expected: str) -> None:
    """Check a status, which redis-py turns into whether it is the expected one.

    Raises:
        StoreError: it is another.
    """
    if answer is not True:
        raise malformed(command, answer, expected)


def texts_or_nils(command: str, answer: object, *, length: int) -> list[bytes | None]:
    """Return a list of strings and nils.

    Raises:
        StoreError: the answer is none, or has another length.
    """
    return [
        text_or_nil(f"{command}, in the list,", item) for item in items(command, answer, length)
    ]


def subscribers(answer: object) -> int:
    """Return the sum of what PUBSUB NUMSUB counts, of all channels and nodes.

    Raises:
        StoreError: the answer has another form.
    """
    command = "PUBSUB NUMSUB"
    total = 0
    for channel, count in items(command, answer):  # pairs, as redis-py forms them
        text(command, channel)
        total += integer(command, count)
    return total


def claim(answer: object) -> Claim:
    """Return the answer of `scripts.CLAIM_LEASE`.

    Raises:
        StoreError: the answer has another form.
    """
    command = "the script that claims the lease"
    held, epoch, taken, previous = items(command, answer, 4)
    return Claim(
        lease_held=bool(integer(command, held)),
        epoch=digits(command, epoch),
        taken=bool(integer(command, taken)),
        previous_epoch=digits(command, previous),
    )


def publish_answer(answer: object) -> PublishAnswer:
    """Return the answer of `scripts.PUBLISH`.

    Raises:
        StoreError: the answer has another form.
    """
    command = "the script that publishes"
    result, receivers = items(command, answer, 2)
    results = {known.value.encode(): known for known in PublishResult}
    known = results.get(text(command, result))
    if known is None:
        raise malformed(command, result, "one of its results")
    return PublishAnswer(known, receivers=integer(command, receivers))


def counts(answer: object) -> tuple[int, list[bytes]]:
    """Return the answer of `scripts.READ_ADMITTED`: how many fields there are, and their content.

    Raises:
        StoreError: the answer has another form.
    """
    command = "the script that reads the counters"
    first, *rest = items(command, answer) or [None]
    number = integer(command, first)
    if number > MAX_COUNT_FIELDS:
        return number, []
    if len(rest) != 2 * number:
        raise malformed(command, answer, f"a list of {1 + 2 * number} items")
    return number, [text(command, item)[:MAX_ITEM_BYTES] for item in rest]


def is_done(command: str, answer: object) -> bool:
    """Return whether a script that answers 1 or 0 did something.

    Raises:
        StoreError: the answer has another form.
    """
    return bool(integer(command, answer))


def ignored(_answer: object) -> None:
    """Read nothing."""


def _form(answer: object) -> str:
    if answer is None:
        return "nil"
    if isinstance(answer, bool):  # redis-py's reading of a status, such as SET's OK
        return "another status"
    if isinstance(answer, int):
        return f"the integer {answer}"
    if isinstance(answer, (bytes, str)):
        return f"a string of {len(answer)} characters"
    if isinstance(answer, (list, tuple)):
        return f"a list of {len(answer)} items"
    return "an error" if isinstance(answer, Exception) else "of another type"
