"""Whose turn it is: which node is being computed at a moment of a training step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from graphssl.runtime import exact, loop, optim
from graphssl.runtime.bench.profile import OPTIMIZER, REST, Part

NOBODY, CHANGING = Part("", REST), Part("", OPTIMIZER)


class Turns:
    """Within `with`, follows a training step and calls `told(part)` when another part of it begins.

    A line of the method's program belongs to its node. What is computed in the backward belongs to the node in whose lines
    it was recorded; autograd tells when it begins. Lines of the training loop, which come between, belong to nobody. `told(None)`: what
    begins now is this class's own work. Everything else runs as without it, some percent slower.
    """

    def __init__(self, module: nn.Module, optimizers: Iterable[Any], told: Callable[[Part | None], None]):
        self.told, self.now = told, NOBODY
        self.program = type(module).forward.__code__.co_filename
        self.lines: Any = module.node_of_line
        self.loop = (loop.__file__, exact.__file__)
        self.optimizers = list(optimizers)
        self.known: set[Any] = set()  # functions of the backward that have an owner

    def __enter__(self) -> Turns:
        self.hooks = [
            hook
            for optimizer in self.optimizers
            for hook in (
                optimizer.register_step_pre_hook(lambda *_: self.turn(CHANGING)),
                optimizer.register_step_post_hook(lambda *_: self.turn(NOBODY)),
            )
        ]
        self.before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.settrace(self.before)
        for hook in self.hooks:
            hook.remove()

    def turn(self, part: Part) -> None:
        if part != self.now:
            self.now = part
            self.told(part)

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        """Follow lines of the program and of the loop, and of no other function."""
        code = frame.f_code
        if code.co_filename == optim.__file__:  # clipping
            self.turn(CHANGING)
        if code.co_filename == self.program and not code.co_name.startswith("<"):  # no comprehension
            return self._program
        return self._loop if code.co_filename in self.loop else None

    def _loop(self, frame: FrameType, event: str, _: Any) -> Any:
        self.turn(NOBODY)
        return self._loop

    def _program(self, frame: FrameType, event: str, _: Any) -> Any:
        """At each line, what the line before recorded for the backward gets its owner."""
        updating = frame.f_code.co_name == "commit"
        if self.now.node and not updating:
            self.told(None)
            self._own(self.now.node, frame.f_locals.values())
            self.told(self.now)
        node = self.lines.get(frame.f_lineno) if event == "line" else None
        self.turn(Part(node, "update" if updating else "forward") if node else NOBODY)
        if event == "return":
            self.known.clear()
        return self._program

    def _own(self, node: str, values: Iterable[Any]) -> None:
        waiting = [x.grad_fn for x in tree_leaves(list(values)) if isinstance(x, Tensor)]
        for function in waiting:  # which grows
            if (
                function is None or function in self.known or hasattr(function, "variable")
            ):  # the last: adds to a parameter's gradient
                continue
            self.known.add(function)
            function.register_prehook(partial(self._backward, Part(node, "backward")))
            waiting += [before for before, _ in function.next_functions]

    def _backward(self, part: Part, _: Any) -> None:
        self.turn(part)
