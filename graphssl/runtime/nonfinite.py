"""A step whose loss or gradient is not finite: undone, and the node named where that began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph, Node
from graphssl.runtime.sharding import own_part

Part = Callable[[], Mapping[str, Any]]


class Undo:
    """What a forward moves of a module, kept so that a step can be taken back: running statistics of BatchNorm."""

    def __init__(self, module: nn.Module):
        layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
        self.buffers = [buffer for layer in layers for buffer in layer.buffers()]
        self.kept = [buffer.clone() for buffer in self.buffers]

    @torch.no_grad()
    def keep(self) -> None:
        """Remember how things stand."""
        if self.buffers:
            torch._foreach_copy_(self.kept, self.buffers)

    @torch.no_grad()
    def undo(self) -> None:
        """As it was when last kept."""
        if self.buffers:
            torch._foreach_copy_(self.buffers, self.kept)


def gradient_is_finite(module: nn.Module) -> Tensor:
    """A scalar, 1 or 0: of what this process holds. Reads every gradient once and does not wait for the device.

    The sum of magnitudes is looked at, which torch computes three times as fast on a CPU as the greatest.
    """
    found = [own_part(p.grad) for p in module.parameters() if p.grad is not None]
    grads = [grad for grad in found if grad.numel()]  # of a small weight that is split a process may hold nothing
    total = torch.nn.utils.get_total_norm(grads, norm_type=1.0) if grads else torch.zeros(())
    return torch.isfinite(total).float()


def where_it_began(graph: Graph, module: nn.Module, parts: Sequence[Part], step: int) -> str | None:
    """Which node first gives a value that is not finite, in words, by running the step's forward again with all values kept.

    Where every value is finite the gradient is looked at, from the loss backwards. Gradients are overwritten, and what the
    forward moves is moved: `Undo` takes that back. parts: each gives the views of a micro-batch; samples meet in these only.
    """
    found = list(_findings(graph, module, parts, step))  # all of it on every rank, since forwards meet in gathers
    return found[0] if found else None


def _findings(graph: Graph, module: nn.Module, parts: Sequence[Part], step: int) -> Iterator[str]:
    for node in graph:
        if bad := _weights(module, node):
            yield f"`{node.name}` holds it already, in its weight or state `{bad}`"
    names = list(_outputs(graph))
    for part in parts:
        views = part()
        yield from (f"the data has it already, in `{name}`" for name, value in views.items() if not _finite(value))
        out = module(views, step, keep=tuple(name for name, _ in names))
        kept = [(name, node, _tensors(out.values[name])) for name, node in names]
        for name, node, tensors in kept:
            if not _finite(tensors):
                yield f"the first value that is not finite is that of {_called(name, node)}"
        for tensor in (t for _, _, tensors in kept for t in tensors if t.requires_grad):
            tensor.retain_grad()
        module.zero_grad(set_to_none=True)
        out.loss.backward()
        for name, node, tensors in reversed(kept):
            if not _finite([t.grad for t in tensors if t.requires_grad and t.grad is not None]):
                yield f"all values are finite, but the gradient that comes back to {_called(name, node)} is not"
        for name, parameter in module.named_parameters():
            if parameter.grad is not None and not _finite(parameter.grad):
                yield f"all values are finite, but the gradient of the weight `{name}` is not"


def _outputs(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Every output in computing order by the name it is kept under."""
    for node in graph:
        for port in node.outputs:
            yield str(node.output(port)), node


def _called(name: str, node: Node) -> str:
    return f"`{name}` ({node.op.name}, {node.span.place})"


def _weights(module: nn.Module, node: Node) -> str | None:
    """The node's first parameter or buffer that is not finite."""
    own = own_module(module, node)
    named = [*own.named_parameters(), *own.named_buffers()] if own is not None else []
    return next((f"{node.name}.{name}" for name, tensor in named if not _finite(tensor)), None)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors of a kept value: one, or those of a list of views."""
    found = value if isinstance(value, (list, tuple)) else [value]
    return [x for x in found if isinstance(x, Tensor)]


def _finite(value: Any) -> bool:
    return all(bool(torch.isfinite(x).all()) for x in _tensors(value))
