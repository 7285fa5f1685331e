"""Exact accumulation: the gradient of a whole batch in the memory of a micro-batch.

    1. encode every micro-batch, keeping no graph;           joined, this is what the whole batch would have given
    2. the loss of the whole batch, back to what was encoded;  dL/dz for every sample
    3. encode every micro-batch again, with graph, and go back from its share of dL/dz

Source: GradCache (Gao et al., arXiv:2101.06983, section 3.2), here for any graph: the compiler finds where samples begin to
meet (`ir/parts.py`). The random state of step 1 is replayed in step 3. Buffers such as running statistics move once, to the
mean of what the micro-batches would have made of them.
Differs: element-wise dropout draws its masks by micro-batch, so they are not those of one call on the whole batch (drop path's are).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from graphssl.compiler.build import own_module
from graphssl.compiler.output import StepOutput
from graphssl.ir.graph import Graph
from graphssl.ir.parts import parts_of
from graphssl.ops.modules.lists import as_list

Views = dict[str, Any]


class ExactAccumulation:
    """Forward and backward of one step over micro-batches, as if the batch had gone through at once."""

    def __init__(self, graph: Graph, module: nn.Module, accelerator: Accelerator):
        self.module: Any = module
        self.accelerator = accelerator
        parts = parts_of(graph)
        self.cut, self.learning = tuple(map(str, parts.cut)), tuple(map(str, parts.learning))
        owners = dict.fromkeys(own_module(module, graph.module_of(node)) for node in parts.by_sample)
        self.buffers = [buffer for owner in owners if owner is not None for buffer in owner.buffers()]

    def __call__(self, parts: Sequence[Callable[[], Views]], step: int, keep: tuple[str, ...] = ()) -> StepOutput:
        """The output for the whole batch; its gradient is added to the parameters'.

        parts: each gives the views of one micro-batch, on the device. keep: values to give, of the whole batch from where samples
        meet, what is needed there included, and of the last micro-batch before.
        """
        buffers = _Buffers(self.buffers)
        encoded, random, kept = self.encode(parts, step, keep, buffers)
        buffers.settle()
        out, gradients = self.conclude(encoded, step, keep)
        after = _copies(self.buffers)
        for i, part in enumerate(parts):
            buffers.rewind()
            self.replay(part(), random[i], {name: [g[i] for g in found] for name, found in gradients.items()}, step)
        _put(self.buffers, after)
        self.reduce_gradients()
        return out._replace(values={**kept, **out.values})

    def encode(
        self, parts: Sequence[Callable[[], Views]], step: int, keep: tuple[str, ...], buffers: _Buffers
    ) -> tuple[dict[str, list[Any]], list[_Random], dict[str, Any]]:
        """What every part gives at the cut, the random state before each, and what is kept of the last."""
        encoded: dict[str, list[Any]] = {name: [] for name in self.cut}
        random, found = [], {}
        for part in parts:
            views = part()
            buffers.rewind()
            random.append(_Random(self.accelerator.device))
            with torch.no_grad(), self.accelerator.autocast():
                found = self.module.encode(views, step, (*self.cut, *keep))
            buffers.note()
            for name in encoded:
                encoded[name].append(found[name])
        return encoded, random, {name: found[name] for name in keep if name in found}

    def conclude(
        self, encoded: dict[str, list[Any]], step: int, keep: tuple[str, ...]
    ) -> tuple[StepOutput, dict[str, list[Sequence[Tensor | None]]]]:
        """The loss of the whole batch, and its gradient at `learning`: by name, value of a list, and part."""
        whole = {
            name: [torch.cat(rows) for rows in zip(*map(as_list, found), strict=True)]
            for name, found in encoded.items()
        }
        for name in self.learning:
            whole[name] = [value.requires_grad_() for value in whole[name]]
        with self.accelerator.autocast():
            values = {
                name: whole[name] if isinstance(found[0], list) else whole[name][0] for name, found in encoded.items()
            }
            out = self.module.conclude(values, step, keep)
        out = out._replace(values={**{name: values[name] for name in keep if name in values}, **out.values})
        self.accelerator.backward(out.loss)
        gradients: dict[str, list[Sequence[Tensor | None]]] = {}
        for name in self.learning:
            rows = [len(as_list(part)[0]) for part in encoded[name]]
            gradients[name] = [v.grad.split(rows) if v.grad is not None else [None] * len(rows) for v in whole[name]]
        return out, gradients

    def replay(self, views: Views, random: _Random, gradients: dict[str, list[Tensor | None]], step: int) -> None:
        """One part again, with graph, and back."""
        random.replay()
        with self.accelerator.autocast():
            again = self.module.encode(views, step, again=True)
        pairs = [
            (value, gradient)
            for name, found in gradients.items()
            for value, gradient in zip(as_list(again[name]), found, strict=True)
            if gradient is not None and value.requires_grad
        ]
        if pairs:
            torch.autograd.backward([value for value, _ in pairs], [gradient for _, gradient in pairs])

    def reduce_gradients(self) -> None:
        """The mean over ranks, which DistributedDataParallel would have taken, as sharding does."""
        if self.accelerator.num_processes == 1 or self.accelerator.is_fsdp2:
            return
        gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
        for kind in {g.dtype for g in gradients}:
            same = [g for g in gradients if g.dtype == kind]
            flat = self.accelerator.reduce(torch.cat([g.flatten() for g in same]), "mean")
            for gradient, mean in zip(same, flat.split([g.numel() for g in same]), strict=True):
                gradient.copy_(mean.view_as(gradient))


class _Random:
    """The random state of the CPU and of the device, as it is now."""

    def __init__(self, device: torch.device):
        self.device = None if device.type == "cpu" else device
        self.states = [torch.get_rng_state()]
        if self.device:
            self.states.append(torch.get_device_module(device).get_rng_state(device))

    def replay(self) -> None:
        torch.set_rng_state(self.states[0])
        if self.device:
            torch.get_device_module(self.device).set_rng_state(self.states[1], self.device)


class _Buffers:
    """Buffers that every part finds as the step found them."""

    def __init__(self, buffers: list[Tensor]):
        self.buffers, self.before = buffers, _copies(buffers)
        self.left: list[list[Tensor]] = []

    def rewind(self) -> None:
        _put(self.buffers, self.before)

    def note(self) -> None:
        """Remember what a part left."""
        self.left.append(_copies(self.buffers))

    def settle(self) -> None:
        """They become the mean of what the parts left."""
        for buffer, *left in zip(self.buffers, *self.left, strict=True):
            buffer.copy_(torch.stack(left).mean(dim=0) if buffer.is_floating_point() else left[-1])


def _copies(buffers: list[Tensor]) -> list[Tensor]:
    return [buffer.clone() for buffer in buffers]


def _put(buffers: list[Tensor], values: list[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)
