"""Units of work that can be pickled, and what they leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Square:
    """A unit whose result is the square of a number."""

    file: Path
    number: int


def squares(folder: Path, numbers: Sequence[int]) -> list[Square]:
    return [Square(folder / f"square-{number}", number) for number in numbers]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, those in progress too."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
