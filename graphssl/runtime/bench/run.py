"""Some steps of a real training, timed as they are, then looked into, then counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from statistics import median
from tempfile import TemporaryDirectory

from torch import Tensor

from graphssl.compiler.build import own_module
from graphssl.compiler.flops import Flops
from graphssl.data.cache import is_cached
from graphssl.data.loader import Batch
from graphssl.data.sources import BadImage
from graphssl.ir.graph import Node
from graphssl.pipeline import Method
from graphssl.runtime.bench.kept import Kept
from graphssl.runtime.bench.machine import device_bytes, forget_peak, peak_bytes, product_flops_per_s
from graphssl.runtime.bench.profile import DATA, OPTIMIZER, REST, NodeCost, Part, Profile
from graphssl.runtime.bench.timeline import Timeline
from graphssl.runtime.bench.turns import NOBODY, Turns
from graphssl.runtime.errors import RunError
from graphssl.runtime.faults import memory_lasts
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.loop import Loop
from graphssl.runtime.options import Options
from graphssl.runtime.precision import precision_on
from graphssl.runtime.regions import as_written
from graphssl.runtime.report import Report
from graphssl.runtime.start import accelerator_for
from graphssl.runtime.train import Ready, prepare, recipe_of

WARM_UP, LOOKED_INTO, COUNTED = 3, 5, 1
"""Steps before those that are timed, and after them."""


def bench(method: Method, options: Options) -> Profile:
    """What the steps of a training cost, `options.steps` of them timed. Leaves no run behind.

    The steps are those of `train --steps N`, and as fast: nothing is watched while they are timed. Shares of the time are those of a few
    steps that follow, with each node watched; FLOPs and memory those of one more. A cache of decoded images is full, as it is from
    the second epoch on. Raises RunError and DataError as `train` does.
    """
    recipe = recipe_of(method.checked_graph())
    timed = options.steps or 1
    with TemporaryDirectory() as place, memory_lasts():
        options = replace(
            options, out=place, steps=WARM_UP + timed + LOOKED_INTO + COUNTED, eval_every=0, measure_every=0
        )
        accelerator = accelerator_for(recipe, options)
        if accelerator.num_processes > 1:
            raise RunError("bench looks at one process: start it without a launcher")
        ready = prepare(method, method.checked_graph(), recipe, options, accelerator, RunFolder(place))
        return _Bench(ready).profile(timed)


class _Waited(Iterator[Batch]):
    """The batches; `turn` hears when the loop begins to wait for one, and when it has it."""

    def __init__(self, batches: Iterator[Batch]):
        self.batches = batches
        self.turn: Callable[[Part], None] = lambda part: None

    def __next__(self) -> Batch:
        self.turn(Part("", DATA))
        batch = next(self.batches)
        self.turn(NOBODY)
        return batch


class _Bench:
    """The steps of one training, done a few at a time."""

    def __init__(self, ready: Ready):
        self.loop, self.batches = ready.loop, _Waited(ready.batches)
        self.device = self.loop.accelerator.device
        self.numbers = count()

    def profile(self, timed: int) -> Profile:
        loop, device = self.loop, self.device
        precision = precision_on(loop.recipe.precision, device)
        if cache := is_cached(loop.source):
            _fill(loop)
        product = product_flops_per_s(precision, device)  # now and at the end, since others may use the machine as well
        with Report(0, loop.steps, active=True) as self.report:
            loop.model.train()
            self.steps(WARM_UP)
            forget_peak(device)
            timelines = [self.timed() for _ in range(timed)]
            peak = peak_bytes(device)
            parts = self.looked_into()
            flops, kept = self.counted()
        each = [timeline.seconds() for timeline in timelines]  # not before, since it waits for the device
        times = [sum(step.values()) for step in each]
        data = sum(step[Part("", DATA)] for step in each) / sum(times)
        parts.pop(Part("", DATA), None)
        scale = (1 - data) / sum(parts.values())  # watching makes a step slower, but not the wait before it

        def share(node: str, phase: str) -> float:
            return parts.get(Part(node, phase), 0.0) * scale

        nodes = {
            node.name: NodeCost(
                node.op.name,
                forward=share(node.name, "forward"),
                backward=share(node.name, "backward"),
                update=share(node.name, "update"),
                flops=flops[node.name],
                kept_bytes=kept[node.name],
                own_bytes=_own_bytes(loop, node),
            )
            for node in loop.graph
        }
        return Profile(
            method=loop.graph.name,
            source=loop.options.data,
            device=device.type,
            precision=precision,
            workers=loop.evaluation.workers,
            cores=os.cpu_count() or 1,
            cached=cache,
            augment=loop.placement.where,
            batch_size=loop.recipe.batch_size,
            steps=timed,
            step_s=sum(times) / timed,
            fastest_s=min(times),
            data=data,
            optimizer=share("", OPTIMIZER),
            rest=share("", REST),
            nodes=nodes,
            product_flops_per_s=max(product, product_flops_per_s(precision, device)),
            peak_bytes=peak,
            device_bytes=device_bytes(device),
        )

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.loop.advance(self.batches, next(self.numbers), self.report)
            self.report.bar.advance(self.report.task)

    def timed(self) -> Timeline:
        """One step: waiting for data, and all else."""
        timeline = Timeline(self.device)
        self.batches.turn = timeline.turn
        self.steps(1)
        timeline.turn(None)
        return timeline

    def looked_into(self) -> dict[Part, float]:
        """Seconds of every part in a step, the median of some, since a machine that others use stops a step anywhere."""
        timelines: list[Timeline] = []
        with Turns(self.loop.module, self.loop.optimizers.all(), lambda part: timelines[-1].turn(part)) as turns:
            self.batches.turn = turns.turn
            for _ in range(LOOKED_INTO):
                timelines.append(Timeline(self.device))
                self.steps(1)
                timelines[-1].turn(None)
        each = [timeline.seconds() for timeline in timelines]
        return {part: median(step[part] for step in each) for part in {part for step in each for part in step}}

    def counted(self) -> tuple[dict[str, int], dict[str, int]]:
        """FLOPs of a step, and bytes that its forward keeps for the backward, by node."""
        with Turns(self.loop.module, self.loop.optimizers.all(), lambda part: None) as turns:
            self.batches.turn = turns.turn
            kept = Kept(self.loop.module, lambda: turns.now.node)
            with as_written(self.loop.options.compile), Flops(lambda: turns.now.node) as flops, kept.hooks():
                self.steps(COUNTED)
        return flops.counts, kept.most


def _fill(loop: Loop) -> None:
    """Put the images of all steps into the cache."""
    for step in range(loop.steps):
        for index in loop.sampler.batch(step):
            with suppress(BadImage):
                loop.source.load(index)


def _own_bytes(loop: Loop, node: Node) -> int:
    """Bytes of the parameters and buffers that belong to a node, of the gradients and of the optimizer's moments."""
    own = own_module(loop.module, node)
    if own is None:
        return 0
    tensors = [*own.buffers()]
    for parameter in own.parameters():
        moments = [optimizer.state.get(parameter, {}) for optimizer in loop.optimizers.all()]
        found = [parameter, parameter.grad, *(x for each in moments for x in each.values())]
        tensors += [x for x in found if isinstance(x, Tensor)]
    return sum(x.nbytes for x in tensors)
