"""kNN while training: a fixed part of both splits, features computed on all ranks."""

from __future__ import annotations

import math

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from graphssl.data.sources import ImageSource
from graphssl.evaluate.features import extract
from graphssl.evaluate.knn import knn_accuracy
from graphssl.ir.graph import Graph
from graphssl.runtime.sharding import release


class Evaluation:
    """kNN of the test images against the training images, at most `samples` of each (always the same ones)."""

    def __init__(
        self,
        graph: Graph,
        module: nn.Module,
        train: ImageSource,
        test: ImageSource | None,
        accelerator: Accelerator,
        samples: int,
        workers: int,
    ):
        self.graph, self.module, self.train, self.test = graph, module, train, test
        self.accelerator, self.samples, self.workers = accelerator, samples, workers
        self.k, self.temperature = 20, 0.07

    @property
    def possible(self) -> bool:
        return self.test is not None and bool(self.train.classes) and self.graph.represent is not None

    @property
    def settings(self) -> str:
        bank = min(self.samples, len(self.train))
        return f"k {self.k}, temperature {self.temperature:g}, {bank} training images"

    def knn(self) -> float:
        """Accuracy between 0 and 1; the module is left as it was."""
        assert self.test is not None
        bank, bank_labels = self._features(self.train)
        queries, labels = self._features(self.test)
        return knn_accuracy(bank, bank_labels, queries, labels, k=self.k, temperature=self.temperature)

    def _features(self, source: ImageSource) -> tuple[Tensor, Tensor]:
        count = min(self.samples, len(source))
        order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))  # a stride could miss classes
        chosen = sorted(order[:count].tolist())
        ranks, rank = self.accelerator.num_processes, self.accelerator.process_index
        each = math.ceil(count / ranks)  # on every rank: those of split weights gather them together
        mine = [chosen[(i * ranks + rank) % count] for i in range(each)]
        features, labels = extract(
            self.module,
            self.graph,
            source,
            device=self.accelerator.device,
            indices=mine,
            workers=self.workers,
            autocast=self.accelerator.autocast,
        )
        release(self.module)
        if ranks == 1:
            return features, labels
        device = self.accelerator.device
        both = [self.accelerator.gather(x.to(device)).cpu() for x in (features, labels)]  # by rank
        features, labels = (x.unflatten(0, (ranks, each)).transpose(0, 1).flatten(0, 1)[:count] for x in both)
        return features, labels
