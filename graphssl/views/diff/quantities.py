"""What a paper would say of sizes, numbers, augmentation and recipe.

An attribute is news when its op requires it, when each step uses it as a number, or when it is the width of what a node gives;
the rest stands in the details.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import learning
from graphssl.ir.graph import Graph, Node
from graphssl.language.fields import REQUIRED
from graphssl.language.schedule import Schedule
from graphssl.views.diff.compare import ABSENT, Change, Diff
from graphssl.views.diff.steps import is_steps, views_of
from graphssl.views.diff.values import arrow, line, listed, value_words
from graphssl.views.diff.vocabulary import Phrase, bare, kept


def heads(diff: Diff) -> Iterator[Phrase]:
    """Layers of heads that differ."""
    for node, old, new in kept(diff):
        change = node.change("attribute", "dims")
        if change and new.op is old.op:
            before, after = len(change.old), len(change.new)
            name = bare(new.op)
            if before == after:
                new_widths, old_widths = value_words(change.new), value_words(change.old)
                yield Phrase("with", f"a {name} of widths {new_widths} in place of {old_widths}")
            else:
                yield Phrase("with", f"{_layers(after, name)} in place of the {_depth(before)} one")


def _depth(layers: int) -> str:
    return "linear" if layers == 1 else f"{layers}-layer"


def _layers(layers: int, name: str) -> str:
    return f"a linear {name}" if layers == 1 else f"a {layers}-layer MLP {name}"


def encoders(diff: Diff) -> Iterator[Phrase]:
    for node, old, new in kept(diff):
        change = node.change("attribute", "arch")
        if change and new.op is old.op:
            yield Phrase("with", f"{value_words(change.new)} in place of {value_words(change.old)}")


def numbers(diff: Diff) -> Iterator[Phrase]:
    """Numbers that each step uses (temperature, momentum, weight), required sizes, and widths."""
    for node, old, new in kept(diff):
        changes = [c for c in node.changes if c.part == "attribute" and c.key not in ("dims", "arch")]
        if new.op is old.op and not new.op.observer:
            told = [c for c in changes if ABSENT not in (c.old, c.new)]
            news = [c for c in told if _is_news(diff, new, c) or _is_width(old, new, c)]
            yield from (Phrase("with", _number(new, change)) for change in news)


def _is_news(diff: Diff, node: Node, change: Change) -> bool:
    declared = node.op.attrs.get(change.key)
    if declared is None or is_steps(change.old):
        return False
    if change.key == "weight":
        return len(learning(diff.b)) > 1
    numbers = all(isinstance(v, (int, float, Schedule)) and not isinstance(v, bool) for v in (change.old, change.new))
    return declared.default is REQUIRED or (numbers and declared.role in ("call", "commit"))


def _is_width(old: Node, new: Node, change: Change) -> bool:
    """Whether the attribute is the width of what the node gives."""
    if change.key not in new.op.attrs or not isinstance(change.new, int):
        return False
    widths = [{v.axes[-1] for e in n.outputs.values() for v in e.values if v.axes} for n in (old, new)]
    return change.old in widths[0] and change.new in widths[1]


def _number(node: Node, change: Change) -> str:
    """`temperature 0.07 → 0.2`; of two schedules, the end that differs; nothing where only their course does."""
    kind = {"link": "EMA ", "loss": ""}.get(node.kind, f"{bare(node.op)} ")
    name = f"{kind}{line(change.key)}"
    old, new = change.old, change.new
    if not (isinstance(old, Schedule) and isinstance(new, Schedule)):
        return f"{name} {arrow(old, new)}"
    if (old.first, old.last) == (new.first, new.last):
        return ""
    if old.last == new.last:
        return f"{name} starting at {new.first:g} in place of {old.first:g}"
    return f"{name} {old.first:g} to {old.last:g} → {new.first:g} to {new.last:g}"


def augmentation(diff: Diff) -> Iterator[Phrase]:
    """Steps that no view had before, or that none has now (a step of probability 0 is none)."""
    old, new = _live_steps(diff.a), _live_steps(diff.b)
    if added := [line(name) for name in new if old and name not in old]:
        yield Phrase("with", f"{listed(added)} added to the augmentation")
    if removed := [line(name) for name in old if new and name not in new]:
        yield Phrase("with", f"{listed(removed)} removed from the augmentation")


def _live_steps(graph: Graph) -> dict[str, None]:
    lists = [node.attrs.get(key) for node in graph.sources() for key in ("steps", "views")]
    views = [view for steps in lists if is_steps(steps) for view in views_of(steps or ())]
    return {k: None for view in views for k, v in view.items() if not (isinstance(v, dict) and v.get("p") == 0)}


def recipe(diff: Diff) -> Iterator[Phrase]:
    """Optimizer, shape of the schedule, length and batch."""
    old, new = diff.a.train, diff.b.train
    if old is None or new is None:
        return
    if old.optimizer != new.optimizer:
        yield Phrase("with", f"{_optimizer(new.optimizer)} in place of {_optimizer(old.optimizer)}")
    shapes = [_shape(train.lr) for train in (old, new)]
    if shapes[0] != shapes[1]:
        yield Phrase("with", f"a {shapes[1]} learning-rate schedule")
    if old.epochs != new.epochs:
        yield Phrase("with", f"{new.epochs:g} epochs in place of {old.epochs:g}")
    if old.batch_size != new.batch_size:
        yield Phrase("with", f"batch size {new.batch_size} in place of {old.batch_size}")
    if old.peak_lr() != new.peak_lr():
        yield Phrase("with", f"peak learning rate {arrow(old.peak_lr(), new.peak_lr())}")
    if old.weight_decay != new.weight_decay:
        yield Phrase("with", f"weight decay {arrow(old.weight_decay, new.weight_decay)}")


def _optimizer(name: str) -> str:
    known = {"adamw": "AdamW", "adam": "Adam"}
    return known.get(name, line(name).upper())


def _shape(schedule: Schedule) -> str:
    """`cosine`, or what the schedule does behind a warm-up."""
    shapes = list(dict.fromkeys(piece.shape for piece in schedule.pieces))
    warm = len(schedule.pieces) > 1 and schedule.pieces[0].start == 0 and shapes[0] == "linear"
    rest = shapes[1:] if warm else shapes
    return "step" if rest == ["constant"] and len(schedule.pieces) > 1 + warm else " and ".join(rest)
