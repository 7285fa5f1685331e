"""Chance per sample: random numbers that belong to a sample's place in the batch of a step, however that batch is split.

Every rank and micro-batch draws the numbers of the whole batch from one generator and takes those of its own rows. That is
cheap for one number a sample (stochastic depth); what draws one for each element (`nn.Dropout`) is left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from graphssl.ops.modules.distributed import world


@dataclass
class Part:
    """A micro-batch of the step that has this seed: number `index` of `count`, of `rows` samples on each rank."""

    seed: int
    index: int = 0
    count: int = 1
    rows: int = 0  # 0: as many as come
    generators: dict[torch.device, torch.Generator] = field(default_factory=dict)

    def generator(self, device: torch.device) -> torch.Generator:
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]

    def copy(self) -> Part:
        """The same micro-batch, to draw from here on what this one will draw."""
        return replace(self, generators={device: each.clone_state() for device, each in self.generators.items()})


_part: Part | None = None


@contextmanager
def chance_of_step(seed: int) -> Iterator[None]:
    """Within, `by_sample` draws what belongs to the step of this seed."""
    global _part
    before, _part = _part, Part(seed)
    try:
        yield
    finally:
        _part = before


def begin_part(index: int, count: int, rows: int) -> None:
    """From here on `by_sample` draws for this micro-batch of the step; begun again, the same numbers."""
    global _part
    if _part is not None:
        _part = Part(_part.seed, index, count, rows)


def chance_now() -> Part | None:
    """What `by_sample` draws from here on, for `chance_again`."""
    return _part.copy() if _part else None


@contextmanager
def chance_again(part: Part | None) -> Iterator[None]:
    """Within, `by_sample` draws what it drew from the moment of `chance_now` on; afterwards it goes on where it was."""
    global _part
    before, _part = _part, part.copy() if part else None
    try:
        yield
    finally:
        _part = before


def by_sample(draw: Callable[[int, torch.Generator | None], Tensor], x: Tensor) -> Tensor:
    """One random number for each row of x (v·b …), v views of the b samples here; outside of a step torch's own stream.

    draw: `draw(n, generator)` gives n of them.
    """
    if _part is None or x.is_meta:
        return draw(len(x), None)
    rank, ranks = world()
    rows = _part.rows if _part.rows and len(x) % _part.rows == 0 else len(x)
    splits = ranks * _part.count
    everyone = draw(len(x) * splits, _part.generator(x.device)).view(-1, splits, rows)  # v, ranks · parts, b
    return everyone[:, rank * _part.count + _part.index].flatten()
