"""From decoded images to the views a graph's source nodes ask for.

Random numbers are drawn per image and view (see `graphssl.data.philox`); pixels are changed a batch at a time, on
whatever device the images are. A step draws from its own stream, so changing one step of a recipe leaves the random
numbers of the others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphssl.data import opencv
from graphssl.data.errors import DataError
from graphssl.data.moving import moved
from graphssl.data.operations import GEOMETRY, MOVES, OPERATIONS, Apply, Situation
from graphssl.data.philox import Draws, key_of
from graphssl.data.resample import to_float
from graphssl.data.samples import Samples
from graphssl.data.steps import fill_defaults

# Floats that one pass works on (on a CPU), so that they stay in the cache from one step to the next.
CHUNK = 1 << 20


@dataclass(frozen=True)
class ViewPlan:
    """How to make one view.

    Attributes:
        node: the source node it belongs to.
        size: height and width of the view in pixels.
        steps: (name, parameters) in the order they are applied.
        view: unique in the graph, such as `v1` or `local.3`; with the seed it decides the random numbers.
    """

    node: str
    size: int
    steps: tuple[tuple[str, Mapping[str, Any]], ...]
    view: str


class Augmenter:
    """Makes all views of a batch.

    Args:
        plans: by source node, one plan or a list of them.
        seed: with an image's index, the epoch and a view's name, decides everything random.

    Attributes:
        makers: what makes the view or views of each source node.
    """

    def __init__(self, plans: Mapping[str, ViewPlan | list[ViewPlan]], *, seed: int) -> None:
        self.makers = {node: Views(plan, seed=seed) for node, plan in plans.items()}

    def __call__(
        self, images: Sequence[Tensor] | Tensor, indices: Sequence[int], epoch: int
    ) -> dict[str, Tensor | list[Tensor]]:
        """The views of a batch.

        Args:
            images: uint8 [b 3 h w], or b images [3 h w] of any sizes.
            indices: the images' numbers in the data set.
            epoch: counted from 0.

        Returns:
            by source node, float32 [b 3 size size], or a list of those.

        Raises:
            DataError: the steps leave images of another size than the view's.
        """
        samples = Samples(images, np.asarray(indices, dtype=np.int64), epoch)
        return {node: make(samples) for node, make in self.makers.items()}


class Views:
    """Makes the views of one source node: one for a plan, a list for a list of plans."""

    def __init__(self, plan: ViewPlan | list[ViewPlan], *, seed: int) -> None:
        self._views = [_View(one, seed) for one in plan] if isinstance(plan, list) else _View(plan, seed)

    def __call__(self, samples: Samples) -> Tensor | list[Tensor]:
        return [one(samples) for one in self._views] if isinstance(self._views, list) else self._views(samples)

    def label_maps(self, samples: Samples) -> Tensor | list[Tensor]:
        """The samples' label maps, moved as these views move the images: int64 [b size size], -1 where no class is known."""
        if isinstance(self._views, list):
            return [one.label_maps(samples) for one in self._views]
        return self._views.label_maps(samples)


class _View:
    """One plan, ready to be used on batches."""

    def __init__(self, plan: ViewPlan, seed: int) -> None:
        self._plan = plan
        self._steps = []
        for number, (name, value) in enumerate(plan.steps):
            before = sum(other == name for other, _ in plan.steps[:number])  # a step may be used twice
            self._steps.append((name, fill_defaults(name, value), key_of("augment", seed, plan.view, name, before)))
        self._geometry = max((i + 1 for i, (name, _, _) in enumerate(self._steps) if name in GEOMETRY), default=0)

    def __call__(self, batch: Samples) -> Tensor:
        applies = self._prepare(batch)
        size = self._plan.size
        one_by_one = opencv.suits(size, batch.device)
        layout = torch.channels_last if one_by_one else torch.contiguous_format
        view = torch.empty((len(batch), 3, size, size), device=batch.device, memory_format=layout)
        for rows, images in batch.groups:  # sizes differ up to the last crop
            for apply in applies[: self._geometry]:
                images = apply(images, rows)
            if len(rows) == 1:
                _put(images[0], view[rows[0]])
            else:
                view.index_copy_(0, moved(rows, batch.device), to_float(images))
        rest = applies[self._geometry :]
        step = 1 if one_by_one else CHUNK // (3 * size * size) if batch.device.type == "cpu" else len(batch)
        for start in range(0, len(batch), step) if rest else ():
            part = images = view[start : start + step]
            for apply in rest:
                images = apply(images, np.arange(start, start + len(part)))
            if images is not part:
                part.copy_(images)
        return view

    def label_maps(self, batch: Samples) -> Tensor:
        # one up, so that 255, no class, becomes 0, as what lies beyond the image does
        images = [(labels + 1)[None].float() for labels in batch.label_maps]
        maps = replace(batch, images=images)
        applies = self._prepare(maps, labels=True)
        view = torch.empty((len(maps), self._plan.size, self._plan.size), dtype=torch.int64)
        for rows, part in maps.groups:
            for apply in applies:
                part = apply(part, rows)
            view[rows] = part[:, 0].long() - 1
        return view

    def _prepare(self, batch: Samples, labels: bool = False) -> list[Apply]:
        at = Situation(batch.sizes, self._plan.size, batch.device, labels)
        applies = []
        for name, params, key in self._steps:
            if labels and name not in MOVES:
                continue
            apply, sizes = OPERATIONS[name](params, Draws(key, batch.indices, batch.epoch), at)
            applies.append(apply)
            at = replace(at, sizes=sizes)
        wrong = np.flatnonzero((at.sizes != at.size).any(axis=1))
        if len(wrong):
            height, width = at.sizes[wrong[0]]
            raise DataError(
                f"view `{self._plan.view}` should be {at.size} x {at.size} pixels but its steps leave an image of "
                f"{height} x {width}; add `crop`, or `resize` and `center_crop`"
            )
        return applies


def _put(image: Tensor, place: Tensor) -> None:
    """An image, uint8 or float, at its float place."""
    place.copy_(image)
    if not image.is_floating_point():
        place.div_(255)
