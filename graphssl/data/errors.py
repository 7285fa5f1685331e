"""What can go wrong with the user's data."""

from __future__ import annotations


class DataError(Exception):
    """A user's mistake in `--data`: one clear sentence and what to do about it."""


class NoSplit(DataError):
    """The source is fine but has no such split."""


class BadShard(DataError):
    """A shard that is missing, cut short or damaged: which, and why."""


class WorkerDied(DataError):
    """A loader process ended that should not have: why, as far as its end tells."""


class BadImage(Exception):
    """One image that cannot be decoded.

    Attributes:
        path: the file or archive member, as `ImageSource.describe` names it.
        reason: why, in a few words.
        apart: how many images further on the one that takes its place is looked for; where many are lost together, so far
            that each is replaced by another.
    """

    def __init__(self, path: str, reason: str, apart: int = 1) -> None:
        super().__init__(path, reason, apart)
        self.path = path
        self.reason = reason
        self.apart = apart

    def __str__(self) -> str:
        return f"`{self.path}` {self.reason}"
