"""When the rows that queues hold were written."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any


class Writes:
    """For each queue its writes, newest last, as far back as it still holds rows of them.

    sizes: rows that each queue holds. Rows that a queue began with were never written: they have no age.
    """

    def __init__(self, sizes: Mapping[str, int]):
        self.sizes = sizes
        self.made: dict[str, deque[tuple[int, int]]] = {name: deque() for name in sizes}  # (step, rows)

    def note(self, name: str, step: int, rows: int) -> None:
        """`rows` new rows overwrite the oldest; more than fit leave the newest."""
        made, size = self.made[name], self.sizes[name]
        if rows:
            made.append((step, min(rows, size)))
        while made and sum(count for _, count in made) - made[0][1] >= size:
            made.popleft()

    def held(self, name: str, step: int) -> dict[str, float]:
        """`age`: mean number of steps since the rows that were written came in, 0 for this step's; `filled`: their share."""
        room, total, ages = self.sizes[name], 0, 0
        for written, count in reversed(self.made[name]):
            count = min(count, room - total)
            total, ages = total + count, ages + count * (step - written)
        return {"filled": total / room, **({"age": ages / total} if total else {})}

    def facts(self) -> dict[str, list[list[int]]]:
        """As JSON, for a checkpoint."""
        return {name: [list(write) for write in made] for name, made in self.made.items()}

    def restore(self, facts: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        """What `facts` gave. A checkpoint without it leaves the ages of what it holds unknown: they do not count."""
        for name in self.made.keys() & facts.keys():
            self.made[name] = deque((int(step), int(rows)) for step, rows in facts[name])
