"""The same training step three times: by graphssl, by hand and with lightly; what all of them are made from."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import Tensor, nn

import graphssl
from graphssl.data.loader import Batch, train_loader
from graphssl.data.sampler import EpochSampler
from graphssl.data.sources import open_data
from graphssl.language.train import Train
from graphssl.pipeline import Method
from graphssl.runtime import train as training
from graphssl.runtime.makers import makers_of
from graphssl.runtime.options import Options

STEPS, PER_EPOCH = 10_000, 100  # the length of the training that the schedules are for
DATA = f"shapes:32,{128 * PER_EPOCH}"
UNWATCHED = {"nodes.probe": None, "nodes.y": None, "monitors": None}  # without the online classifier
ONE_BATCH_NORM = {  # statistics of the whole batch, where the graph says those of 64 rows
    "nodes.f.bn_group": None,
    "nodes.fk.shuffle_bn": False,
    "nodes.g": {"$replace": True, "op": "projector", "in": "f", "dims": [256, 64], "norm": "none"},
    "nodes.gk.shuffle_bn": False,
}


@dataclass(frozen=True)
class Subject:
    """A method as all contenders train it.

    name: of the class in the files of the others. file: of the hand-written one. more: their arguments besides the schedule's.
    """

    reference: str
    name: str
    file: str
    overrides: dict[str, Any]
    more: dict[str, Any]

    def load(self, **overrides: Any) -> Method:
        """The bundled graph, with what makes it the others' equal."""
        return graphssl.load(self.reference, {"train.precision": "fp32", **self.overrides, **overrides})

    def by_hand(self, method: Method, steps: int, per_epoch: int) -> nn.Module:
        """The hand-written step."""
        module = importlib.import_module(f"benchmarks.handwritten.{self.file}")
        made: nn.Module = getattr(module, self.name)(encoder_of(method), **self.how(method, steps, per_epoch))
        return made

    def by_lightly(self, method: Method, steps: int, per_epoch: int) -> nn.Module:
        """lightly's step."""
        module = importlib.import_module("benchmarks.lightly_steps")
        made: nn.Module = getattr(module, self.name)(encoder_of(method), **self.how(method, steps, per_epoch))
        return made

    def how(self, method: Method, steps: int, per_epoch: int) -> dict[str, Any]:
        recipe = recipe_of(method)
        curve = recipe.lr_curve(steps, per_epoch)
        warmup = next(step for step in range(steps) if curve(step) == recipe.peak_lr())
        return {"steps": steps, "warmup": warmup, "lr": recipe.peak_lr(), **self.more}


SUBJECTS = {
    "simclr": Subject("simclr@quick", "SimCLR", "simclr", UNWATCHED, {}),
    "moco_v2": Subject("moco_v2@quick", "MoCo", "moco_v2", ONE_BATCH_NORM, {}),
    "byol": Subject("byol@quick", "BYOL", "byol", UNWATCHED, {}),
    "dino": Subject(
        "dino@quick", "DINO", "dino", {"train.lr.warmup": "1ep", "train.groups.last.freeze_until": "1steps"}, {"freeze_last": 1}
    ),
}  # fmt: skip


def recipe_of(method: Method) -> Train:
    """Its `train:`."""
    recipe = method.checked_graph().train
    assert recipe is not None
    return recipe


def encoder_of(method: Method) -> nn.Module:
    """The graph's encoder."""
    found: nn.Module = graphssl.compile(method).f  # type: ignore[assignment]
    return found


def batches(method: Method, count: int, data: str = DATA) -> list[Batch]:
    """The first batches of a training."""
    graph, recipe = method.checked_graph(), recipe_of(method)
    source = open_data(data, "train", seed=recipe.seed)
    sampler = EpochSampler(len(source), recipe.batch_size, seed=recipe.seed)
    makers = makers_of(graph, seed=recipe.seed, steps=STEPS, per_epoch=sampler.steps_per_epoch)
    return list(islice(train_loader(source, sampler, makers, first_step=0, last_step=count, workers=0), count))


def views_of(batch: Batch) -> list[Tensor]:
    """The images of a batch, in the order of the graph's nodes."""
    lists = [views if isinstance(views, list) else [views] for views in batch.views.values()]
    return [view for views in lists for view in views if view.dim() == 4]


def train_by_graphssl(method: Method, loader: Callable[..., Iterator[Batch]], options: Options) -> None:
    """`graphssl train`, but for where its batches come from: the same loop to the last line. loader: for `train_loader`."""
    own, training.train_loader = training.train_loader, loader
    try:
        training.train(method, options)
    finally:
        training.train_loader = own


def train_by(contender: str, name: str, given: Iterable[Batch], **overrides: Any) -> None:
    """Train with every batch that comes."""
    subject = SUBJECTS[name]
    method = subject.load(**overrides)
    if contender == "graphssl":
        with tempfile.TemporaryDirectory() as folder:
            options = Options(DATA, f"{folder}/run", steps=STEPS, eval_every=0, checkpoint_every=0, device="cpu")
            train_by_graphssl(method, lambda *_, **__: iter(given), options)
        return
    made = (subject.by_hand if contender == "hand-written" else subject.by_lightly)(method, STEPS, PER_EPOCH)
    for batch in given:
        made.step(views_of(batch))
