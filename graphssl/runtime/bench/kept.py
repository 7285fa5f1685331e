"""The memory that autograd keeps from the forward for the backward, by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class Kept:
    """Bytes kept for the backward, by the node that made autograd keep them, at the moment when they are most.

    A storage counts once, for the first that needs it; those of parameters and buffers do not count, since they are there anyway.
    """

    def __init__(self, module: nn.Module, owner: Callable[[], str]):
        self.owner = owner
        self.uses = Counter(_place(x) for x in (*module.parameters(), *module.buffers()))
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def hooks(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Counts what is kept of a forward within `with`."""
        return torch.autograd.graph.saved_tensors_hooks(self._keep, lambda held: held.tensor)

    def _keep(self, tensor: Tensor) -> _Held:
        held = _Held(self, tensor, self.owner())
        self.uses[_place(tensor)] += 1
        if self.uses[_place(tensor)] == 1:
            self.now[held.node] += _size(tensor)
            if self.now.total() > self.most.total():
                self.most = self.now.copy()
        return held

    def let_go(self, held: _Held) -> None:
        self.uses[_place(held.tensor)] -= 1
        if not self.uses[_place(held.tensor)]:
            self.now[held.node] -= _size(held.tensor)


@dataclass(eq=False)
class _Held:
    """A tensor that autograd keeps; it deletes this when it lets go."""

    kept: Kept
    tensor: Tensor
    node: str

    def __del__(self) -> None:
        self.kept.let_go(self)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _size(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()
