"""A warm-up that never ends."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import place
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.language.tree import Mapping

EXPLAIN = Explanation(
    "warmup-longer-than-training",
    "the learning rate is still warming up when the training ends",
    "Its peak is never reached, and the schedule after the warm-up never begins; usual after shortening `epochs`.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\ntrain: {warmup: 20ep, epochs: 10}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\ntrain: {warmup: 1ep, epochs: 10}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    train = graph.train
    if train is None or len(train.lr.pieces) < 2:
        return
    first = train.lr.pieces[0]
    if first.over is None or first.start != 0.0:
        return
    share = {"ep": first.over.value / train.epochs, "%": first.over.value / 100, "steps": 0.0}[first.over.unit]
    if share >= 1:
        message = f"the warm-up of {first.over} fills the whole training of {train.epochs:g} epochs"
        lr = graph.spec.tree.get("train")
        short = isinstance(lr, Mapping) and "warmup" in lr
        span = place(graph, "train", "warmup") if short else place(graph, "train", "lr", "warmup")
        also = (train.spans["epochs"], "the length of the training is set here")
        yield Finding("warmup-longer-than-training", message, span, "warning", None, "shorten the warm-up", also)
