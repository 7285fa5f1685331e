"""A mistake of the person who started a run: told in one sentence, without traceback."""

from __future__ import annotations


class RunError(Exception):
    """What is wrong and what to do."""
