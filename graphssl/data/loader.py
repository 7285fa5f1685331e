"""Batches of views: which images a step shows, and where their views are made.

What a batch holds depends on its step alone, never on the number of workers or on where it is made: a worker makes whole
batches (`graphssl.data.workers`), or decodes the images of whole batches whose views are made where the step runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset

from graphssl.data.ahead import Ahead
from graphssl.data.augment import Augmenter, ViewPlan, Views
from graphssl.data.errors import BadImage, DataError
from graphssl.data.label_maps import LabelMaps, with_label_maps
from graphssl.data.sampler import EpochSampler
from graphssl.data.samples import Maker, Packed, Samples
from graphssl.data.sources import ImageSource
from graphssl.data.workers import in_order, one_thread

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """One rank's data of one step.

    Attributes:
        views: by source node, a tensor with b rows or a list of those, such as images float32 [b 3 size size].
        labels: int64 [b], -1 where unlabelled.
        indices: int64 [b], the images' numbers in the source; those actually shown.
        bad: (path, reason) of images that could not be decoded and were replaced by the next one that can.
    """

    views: dict[str, Tensor | list[Tensor]]
    labels: Tensor
    indices: Tensor
    bad: tuple[tuple[str, str], ...]


def train_loader(
    source: ImageSource,
    sampler: EpochSampler,
    makers: Mapping[str, Maker],
    *,
    first_step: int,
    last_step: int,
    workers: int,
    device: torch.device | None = None,
) -> Iterator[Batch]:
    """The batches of steps first_step, ..., last_step - 1, in order; the same bytes for any number of workers.

    A bad image is replaced by the next in the source that can be decoded, those of a lost shard by as many others (`BadImage.apart`). The replacement is augmented with the random
    numbers of the image it stands for, so an image that is in the batch twice is not there with the same views.

    Args:
        makers: by source node, what makes its values.
        device: where views of images are made, in this process, from images that workers decode; if it is the CPU,
            of the same bytes. None: workers make them, on the host. All else they make in any case.

    Raises:
        DataError: no image of the source can be decoded.
    """
    numbers = range(first_step, last_step)
    if device is None:
        return in_order(TrainSteps(source, sampler, makers), numbers, workers)
    cuda = device.type == "cuda"
    decoded = in_order(_DecodedSteps(source, sampler, makers), numbers, workers, pinned=cuda)
    batches = (item.finished(makers, device) for item in decoded)
    return _one_ahead(batches, device) if cuda else batches


def eval_batches(
    source: ImageSource,
    *,
    size: int,
    steps: Sequence[tuple[str, Mapping[str, Any]]],
    batch_size: int,
    workers: int,
    indices: Sequence[int] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images float32 [b 3 size size], labels int64 [b]) over the source, in order; the last batch may be smaller.

    Args:
        size, steps: as in `ViewPlan`; the view is named `eval`.
        indices: only these images, in this order.

    Images that cannot be decoded are left out, each with a warning in the log.
    """
    order = list(range(len(source)) if indices is None else indices)
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    plan = ViewPlan("eval", size, tuple(steps), "eval")
    made: Iterator[tuple[Tensor, Tensor, list[BadImage]]]
    made = in_order(_EvalParts(source, parts, Augmenter({"eval": plan}, seed=0)), range(len(parts)), workers)
    for images, labels, bad in made:
        for error in bad:
            log.warning("left out: %s", error)
        if len(labels):
            yield images, labels


class TrainSteps(Dataset[Any]):
    """Item i is the batch of step i."""

    def __init__(self, source: ImageSource, sampler: EpochSampler, makers: Mapping[str, Maker]) -> None:
        self.source, self.sampler, self.makers = source, sampler, makers
        asked = any(isinstance(make, LabelMaps) for make in makers.values())
        self.mapped = with_label_maps(source) if asked else None
        self._ahead = Ahead(source, sampler)

    def __getitem__(self, step: int) -> Any:
        samples, shown, bad = self.samples(step)
        return self.batch(self.makers, samples, shown, bad)

    def samples(self, step: int) -> tuple[Samples, list[int], list[BadImage]]:
        """The samples of a step, the numbers of the images that are shown, and the bad ones among those wanted."""
        wanted = self.sampler.batch(step)
        self._ahead.at(step)
        images, shown = [], []
        bad: list[BadImage] = []
        for index in wanted:
            image, index = self._load(index, bad)
            images.append(image)
            shown.append(index)
        sampler = self.sampler
        samples = Samples(
            images,
            np.array(wanted, dtype=np.int64),
            sampler.epoch(step),
            step,
            labels=torch.tensor([self.source.label(index) for index in shown], dtype=torch.int64),
            label_maps=[self.mapped.label_map(index) for index in shown] if self.mapped else (),
            first=sampler.rank * sampler.batch_size_per_rank,
            total=sampler.global_batch_size,
        )
        return samples, shown, bad

    def batch(self, makers: Mapping[str, Maker], samples: Samples, shown: list[int], bad: list[BadImage]) -> Batch:
        """Of these samples, what these makers make."""
        assert samples.labels is not None
        return Batch(
            views={node: make(samples) for node, make in makers.items()},
            labels=samples.labels,
            indices=torch.tensor(shown, dtype=torch.int64),
            bad=tuple((error.path, error.reason) for error in bad),
        )

    def _load(self, index: int, bad: list[BadImage]) -> tuple[Tensor, int]:
        """The image at an index or the next good one after it; bad ones met on the way are added to `bad`."""
        for _ in range(len(self.source)):
            try:
                return self.source.load(index), index
            except BadImage as error:
                index = (index + error.apart) % len(self.source)
                if error.path not in {other.path for other in bad}:
                    bad.append(error)
        raise DataError(f"none of the {len(self.source)} images of `{self.source.name}` can be decoded: {bad[0]}")


@dataclass(frozen=True)
class _Decoded:
    """A batch without its views, and what they are made from. samples: without their images, which are packed."""

    batch: Batch
    samples: Samples
    images: Packed

    def pin_memory(self) -> _Decoded:
        """The same in memory that a CUDA device copies from by itself; torch's DataLoader calls it."""
        return replace(self, images=replace(self.images, pixels=self.images.pixels.pin_memory()))

    def finished(self, makers: Mapping[str, Maker], device: torch.device) -> Batch:
        samples = replace(self.samples, images=self.images.on(device))
        made = self.batch.views
        with one_thread():
            views = {node: made[node] if node in made else make(samples) for node, make in makers.items()}
        return replace(self.batch, views=views)


class _DecodedSteps(TrainSteps):
    """Item i is the batch of step i, its images decoded, and whatever is no view of them made."""

    def __getitem__(self, step: int) -> Any:
        samples, shown, bad = self.samples(step)
        others = {node: make for node, make in self.makers.items() if not isinstance(make, Views)}
        batch = self.batch(others, samples, shown, bad)
        return _Decoded(batch, replace(samples, images=(), label_maps=()), Packed.of(samples.images))


def _one_ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches on a CUDA device, each made on a stream of its own while the step before it runs."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))  # images that lie on the device were written there

    def begun() -> tuple[Batch, torch.cuda.Event] | StopIteration | DataError:
        try:
            with torch.cuda.stream(stream):
                return next(batches), stream.record_event()
        except (StopIteration, DataError) as end:  # its time comes when the batches before it are used
            return end

    following = begun()
    while isinstance(following, tuple):
        (batch, made), following = following, begun()
        using = torch.cuda.current_stream(device)
        using.wait_event(made)
        for tensor in tree_leaves(batch.views):
            if tensor.is_cuda:
                tensor.record_stream(using)  # its memory is not used anew before that stream is done with it
        yield batch
    if isinstance(following, DataError):
        raise following


class _EvalParts(Dataset[Any]):
    """Item i is the i-th part of the images to evaluate."""

    def __init__(self, source: ImageSource, parts: list[list[int]], augmenter: Augmenter) -> None:
        self._source, self._parts, self._augmenter = source, parts, augmenter

    def __getitem__(self, part: int) -> tuple[Tensor | list[Tensor], Tensor, list[BadImage]]:
        images, good, bad = [], [], []
        for index in self._parts[part]:
            try:
                images.append(self._source.load(index))
                good.append(index)
            except BadImage as error:
                bad.append(error)
        labels = torch.tensor([self._source.label(index) for index in good], dtype=torch.int64)
        views = self._augmenter(images, good, 0)["eval"] if good else torch.empty(0)
        return views, labels, bad
