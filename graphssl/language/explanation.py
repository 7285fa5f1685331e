"""What `graphssl explain CODE` tells about one code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """A code in four parts: what it means, why it matters, a small graph that has it, and that graph mended.

    example, instead: whole YAML files; empty where the code does not come from the text of one file. launch: they are configs of
    `accelerate launch`, not graphs.
    """

    code: str
    what: str
    why: str
    example: str = ""
    instead: str = ""
    launch: bool = False
