"""Evaluations that train something: a bundled graph on top of a run, trained by the same runtime and scored on test images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphssl.data.sources import ImageSource, open_data
from graphssl.data.subset import balanced_rest, balanced_share
from graphssl.evaluate.encoder import RunEncoder, load_encoder
from graphssl.evaluate.features import eval_view
from graphssl.evaluate.frozen import require_classes
from graphssl.evaluate.monitors import means_on
from graphssl.evaluate.run import load_run, place
from graphssl.ir.graph import Graph, Node
from graphssl.language.runs import read_origin
from graphssl.pipeline import load
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.options import Options
from graphssl.runtime.train import recipe_of, train
from graphssl.runtime.untrusted import read_tensors

_BLOCKS = 4
"""Whose class tokens the protocols of transformers take."""

_STEPS_AN_EPOCH = 10
"""At least so many: a recipe's batch is made smaller where the images are few."""


@dataclass(frozen=True)
class Asked:
    """What to train on a run, and how.

    method: a graph with the nodes `v`, `y` and `f` and the parameters `run`, `of` and `classes` (graphs/linear.yaml); transformer: another
    one, for features that come straight from a transformer with class tokens. out: its run folder.
    overrides: on top of what the run and the data decide. options: more of `Options`.
    """

    run: str
    data: str
    method: str
    out: Path
    transformer: str | None = None
    overrides: Sequence[str] = ()
    plugins: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def train_on_run(asked: Asked) -> int:
    """Train the graph; the exit code. Raises RunError, DataError and GraphError for what a person can mend."""
    images = open_data(asked.data, "train")
    require_classes(asked.data, images, open_data(asked.data, "test"))
    encoder = load_encoder(asked.run, plugins=asked.plugins)
    given = [f"{path}={value}" for path, value in of_run(asked.run, encoder, len(images.classes)).items()]
    reference = asked.transformer if asked.transformer and has_class_tokens(encoder, _BLOCKS) else asked.method
    return train_graph(asked, reference, given, images)


def train_graph(asked: Asked, reference: str, given: Sequence[str], images: ImageSource) -> int:
    """Train a graph, with overrides that the run and the data decide and those asked for, on these images; the exit code."""
    method = load(reference, [*given, *asked.overrides], plugins=asked.plugins)
    recipe = recipe_of(method.checked_graph())
    count = len(balanced_share(images, recipe.images, seed=recipe.seed))
    if recipe.batch_size * _STEPS_AN_EPOCH > count:
        batch = max(2, count // _STEPS_AN_EPOCH)
        print(
            f"note: batches of {batch} instead of {recipe.batch_size}, since there are {count} images", file=sys.stderr
        )
        method = load(reference, [*given, *asked.overrides, f"train.batch_size={batch}"], plugins=asked.plugins)
    return train(method, Options(data=asked.data, out=str(asked.out), **{"eval_every": 0, **asked.options}))


def of_run(run: str, encoder: RunEncoder, classes: int) -> dict[str, Any]:
    """What a run decides of the graph on top of it: overrides by path."""
    size, steps = eval_view(encoder.graph)
    return {
        "params.run": run,
        "params.of": encoder.graph.represent,
        "params.classes": classes,
        "nodes.v.size": size,
        "nodes.v.steps.normalize": dict(steps)["normalize"],
    }


def has_class_tokens(encoder: RunEncoder, blocks: int) -> bool:
    """Whether features come straight from a transformer with a class token behind each of the last `blocks` blocks."""
    backbone = encoder.backbone
    straight = len(list(encoder.children())) == 1
    return straight and bool(getattr(backbone, "num_prefix_tokens", 0)) and len(backbone.blocks) >= blocks


def scores(asked: Asked) -> dict[str, Any]:
    """How often the trained graph is right on the test images; of several classifiers the one that is best on held-out images.

    Held out are the training images that its recipe leaves (`train.images`). Raises RunError where a frozen weight has moved.
    """
    method, module = load_run(asked.out, plugins=asked.plugins)
    graph = method.checked_graph()
    recipe = recipe_of(graph)
    require_unmoved(graph, asked.out)
    judges = [node for node in graph if node.signature.score]
    refs = {node.name: str(node.output(str(node.signature.score))) for node in judges}
    where, precision, autocast = place(module, graph, asked.options.get("device"))

    def shares(source: ImageSource) -> dict[str, Tensor]:
        workers = asked.options.get("workers") or 0
        means = means_on(source, module, graph, where, autocast, workers=workers, keep=list(refs.values()))
        return {name: means[ref].reshape(-1) for name, ref in refs.items()}

    test, images = open_data(asked.data, "test"), open_data(asked.data, "train", seed=recipe.seed)
    tested = shares(test)
    candidates = [(node, i) for node in judges for i in range(len(tested[node.name]))]
    rest = balanced_rest(images, recipe.images, seed=recipe.seed) if len(candidates) > 1 else None
    judged = shares(rest) if rest else tested
    best, place_in_grid = max(candidates, key=lambda one: float(judged[one[0].name][one[1]]))
    found: dict[str, Any] = {
        "top1": float(tested[best.name][place_in_grid]),
        "method": method.graph.name if method.graph else "",
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "images": len(balanced_share(images, recipe.images, seed=recipe.seed)),
        "test_images": len(test),
        "precision": precision,
        "run": str(asked.out),
    }
    if len(candidates) > 1:
        found |= {
            "chosen_on": len(rest) if rest else "the test images",
            "best": f"{best.name}, lr {_rate(graph, best, place_in_grid):g}",
            "grid": [
                {
                    "node": node.name,
                    "lr": _rate(graph, node, i),
                    "held_out": float(judged[node.name][i]) if rest else None,
                    "top1": float(tested[node.name][i]),
                }
                for node, i in candidates
            ],
        }
    return found


def _rate(graph: Graph, node: Node, index: int) -> float:
    """Peak learning rate of a classifier of a grid."""
    scales = node.attrs.get("lr_scales") or [1.0]
    return recipe_of(graph).peak_lr() * float(scales[index])


def require_unmoved(graph: Graph, out: Path) -> int:
    """How many frozen tensors there are, all of them to the bit those of the run they come from; raises RunError otherwise."""
    latest = RunFolder(out).latest_checkpoint()
    assert latest is not None
    mine = read_tensors(latest / "model.safetensors")
    read = cache(read_tensors)
    count = 0
    for node in graph:
        if not node.attrs.get("frozen") or not node.attrs.get("from"):
            continue
        origin = read_origin(str(node.attrs["from"]), node.name, node.place("from"), lambda finding: None)
        if origin is None or origin.checkpoint is None:
            raise RunError(f"`{node.attrs['from']}` is not there any more, so its weights cannot be compared")
        theirs = read(origin.checkpoint / "model.safetensors")
        ours, prefix = f"{node.name.replace('/', '_')}.", f"{origin.node.replace('/', '_')}."
        for name, tensor in mine.items():
            if name.startswith(ours):
                count += 1
                if not torch.equal(tensor, theirs[prefix + name.removeprefix(ours)]):
                    raise RunError(
                        f"frozen weights have moved: `{name}` differs from `{origin.place}`; this is a bug in graphssl"
                    )
    return count
