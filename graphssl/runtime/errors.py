"""What is told in one sentence, without traceback."""

from __future__ import annotations


class RunError(Exception):
    """A mistake of the person who started a run: what is wrong and what to do."""

    code = 2
    """What the command exits with."""


class Stopped(RunError):
    """A run that had begun and could not go on: why, and what of it is kept."""

    code = 3


def reason(error: OSError) -> str:
    """Why the system refused, in its words."""
    return (error.strerror or str(error)).lower()
