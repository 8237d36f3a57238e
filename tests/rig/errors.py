"""Errors of starting servers and waiting for them.

Tests do not catch them, so that a report shows them; the demo prints them as one sentence.
"""


class RigError(Exception):
    """The rig could not do what it was asked; the message is a sentence for a person."""


class ProgramMissingError(RigError):
    """A program that the rig needs is not installed."""

    def __init__(self, program: str, hint: str) -> None:
        super().__init__(f"{program} is not installed: {hint}")
        self.program = program


class NoAnswerError(RigError):
    """A request got no answer, or none in time."""


class ServerFailedError(RigError):
    """A server ended, or was not ready in time; the message ends with the tail of its log."""


class PortTakenError(ServerFailedError):
    """A server could not bind its port because another process was quicker."""


class NotInTimeError(RigError, TimeoutError):
    """A condition did not come true before its deadline."""
