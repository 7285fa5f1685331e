"""What a paper would say of a diff: phrases in order of importance, by rules over ops, links and losses.

No rule knows a method or a node's name. Attributes count as news when the op requires them or each call uses them as a number;
the rest stands in the details.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphssl.ir.graph import Graph, Node
from graphssl.ir.signature import Link, Op
from graphssl.language.fields import REQUIRED
from graphssl.language.schedule import Schedule
from graphssl.views.diff.compare import ABSENT, Change, Diff, NodeDiff
from graphssl.views.diff.steps import is_steps, views_of
from graphssl.views.diff.values import arrow, line, listed, value_words


@dataclass(frozen=True)
class Phrase:
    """form: `without`, `with`, or `clause` for a statement of its own."""

    form: str
    text: str


def phrases(diff: Diff) -> list[Phrase]:
    """Everything worth a phrase, the most important first."""
    return list(dict.fromkeys(phrase for rule in RULES for phrase in rule(diff)))


def term(op: type[Op]) -> str:
    """`a queue of past keys`: what a sentence calls an op."""
    return op.term or line(op.name.replace("_", " "))


def the(op: type[Op]) -> str:
    """`the queue of past keys`."""
    first, _, rest = term(op).partition(" ")
    return f"the {rest}" if first in ("a", "an") else term(op)


def bare(op: type[Op]) -> str:
    """`queue of past keys`."""
    first, _, rest = term(op).partition(" ")
    return rest if first in ("a", "an", "the") else term(op)


def _gone(diff: Diff, *kinds: str) -> list[Node]:
    """Nodes of `a` that `b` has no counterpart of."""
    return [diff.a.nodes[n.old] for n in diff.nodes if n.old and n.new is None and diff.a.nodes[n.old].kind in kinds]


def _come(diff: Diff, *kinds: str) -> list[Node]:
    return [diff.b.nodes[n.new] for n in diff.nodes if n.new and n.old is None and diff.b.nodes[n.new].kind in kinds]


def _both(diff: Diff) -> Iterator[tuple[NodeDiff, Node, Node]]:
    for node in diff.nodes:
        if node.old and node.new:
            yield node, diff.a.nodes[node.old], diff.b.nodes[node.new]


def _taught(graph: Graph) -> set[str]:
    """Everything that a loss is computed from."""
    return graph.ancestors(loss.name for loss in graph.losses() if not loss.op.observer)


def _copies(graph: Graph) -> list[Node]:
    """Copies of trained weights that move (EMA) and that a loss is computed from."""
    copies = [n for n in graph if issubclass(n.op, Link) and not n.op.trained and "momentum" in n.attrs]
    return [node for node in copies if node.name in _taught(graph)]


def _slow_copies(diff: Diff) -> Iterator[Phrase]:
    """All EMA copies gone, or the first ones come."""
    old, new = _copies(diff.a), _copies(diff.b)
    if old and not new:
        yield Phrase("without", f"the EMA {_part_in_loss(diff.a, old)}")
    if new and not old:
        of = listed([f"`{line(node.of.node)}`" for node in new if node.of])
        momenta = list(dict.fromkeys(value_words(node.attrs["momentum"]) for node in new))
        what = "a slow copy" if len(new) == 1 else "slow copies"
        yield Phrase("with", f"{what} of {of} (EMA, momentum {' and '.join(momenta)})")


def _part_in_loss(graph: Graph, nodes: list[Node]) -> str:
    """`target` where their values arrive at no other port of a loss, else what they are copies of."""
    after = graph.descendants(node.name for node in nodes)
    ports = {port for loss in graph.losses() for port, ref in loss.refs() if ref.node in after and not loss.op.observer}
    of = [f"`{line(node.of.node)}`" for node in nodes if node.of]
    return "target" if ports == {"target"} or not of else f"{'copy' if len(of) == 1 else 'copies'} of {listed(of)}"


def _targets(diff: Diff) -> Iterator[Phrase]:
    """What takes the place of a slow or fixed copy before a loss."""
    for _, old, new in _both(diff):
        if _fixed(old) and new.kind == "pure":
            taken = [port for node, port in diff.b.consumers(new.name) if node.kind == "loss"]
            role = f"the {line(taken[0])}" if taken else f"`{line(new.name)}`"
            yield Phrase("clause", f"{role} is {_origin(diff.b, new)}")
    copies = [new for _, old, new in _both(diff) if new.op is not old.op and _fixed(old) and _fixed(new) and new.of]
    if copies and not _copies(diff.b):
        random = " with random weights" if all(node.attrs.get("init") == "random" for node in copies) else ""
        of = listed([f"`{line(node.of.node)}`" for node in copies if node.of])
        yield Phrase("clause", f"the {_part_in_loss(diff.b, copies)} is {term(copies[0].op)} of {of}{random}")
    frozen = [node for node in _come(diff, "module", "link") if _frozen(node) and node.name in _taught(diff.b)]
    if frozen and not any(map(_frozen, diff.a)):
        what = f"a frozen {bare(frozen[0].signature)}{_arch(frozen[0])}"
        gone = _copies(diff.a) and not _copies(diff.b)
        role = _part_in_loss(diff.b, frozen)
        yield Phrase("clause", f"the {role} comes from {what}") if gone else Phrase("with", what)


def _fixed(node: Node) -> bool:
    return issubclass(node.op, Link) and not node.op.trained


def _frozen(node: Node) -> bool:
    """Weights that never move."""
    return bool(node.attrs.get("frozen")) or (_fixed(node) and "momentum" not in node.attrs)


def _arch(node: Node) -> str:
    return f" ({line(str(node.attrs['arch']))})" if "arch" in node.attrs else ""


def _origin(graph: Graph, node: Node) -> str:
    """What a node without weights passes on: `the trained network itself (`g`) behind a stop-gradient`."""
    before = next((ref.node for _, ref in node.refs()), "")
    trained = before in graph.nodes and any(edge.grad for edge in graph.nodes[before].outputs.values())
    what = f"the trained network itself (`{line(before)}`)" if trained else f"`{line(before)}`"
    if not trained:
        return what
    return f"{what}, with gradient" if any(e.grad for e in node.outputs.values()) else f"{what} behind {term(node.op)}"


def _losses(diff: Diff) -> Iterator[Phrase]:
    """Losses that became others, came or went; what only observes does not count."""
    for _, old, new in _both(diff):
        if new.kind == "loss" and new.op is not old.op:
            yield Phrase("with", f"{term(new.op)} in place of {the(old.op)}")
    for node in _come(diff, "loss"):
        if not node.op.observer:
            yield Phrase("with", _new_loss(diff, node))
    for node in _gone(diff, "loss"):
        if not node.op.observer:
            yield Phrase("without", the(node.op) if _sole(diff.a, node) else f"the {bare(node.op)} `{line(node.name)}`")


def _sole(graph: Graph, node: Node) -> bool:
    return sum(other.op is node.op for other in graph) == 1


def _new_loss(diff: Diff, node: Node) -> str:
    before = sum(other.op is node.op for other in diff.a)
    what = f"{'another' if before > 1 else 'a second'} {bare(node.op)}" if before else term(node.op)
    through = next((f" through {_shared(diff, ref.node)}" for _, ref in node.refs() if _shared(diff, ref.node)), "")
    kinds = dict.fromkeys(value.kind for edge in node.given.values() for value in edge.values)
    masked = any(_from_masks(diff.b, ref.node) for _, ref in node.refs())
    where = " on masked patches" if masked else f" on {line(next(iter(kinds)))}" if kinds and before else ""
    weight = node.attrs.get("weight", 1.0)
    return f"{what}{where}{through}" + (f" (weight {value_words(weight)})" if weight != 1.0 else "")


def _shared(diff: Diff, name: str) -> str:
    """`the shared projector `g``: a call of weights that both methods have, or nothing."""
    node = diff.b.nodes.get(name)
    if node is None or not node.shares or node.of is None or node.of.node not in diff.matched.values():
        return ""
    return f"the shared {bare(node.signature)} `{line(node.of.node)}`" if not _fixed(diff.b.module_of(node)) else ""


def _from_masks(graph: Graph, name: str) -> bool:
    """Whether it is a mask, or has only what masks pick out."""
    node = graph.nodes.get(name)
    return node is not None and (node.gives("mask") or any(port == "mask" for port, _ in node.refs() if node.kind == "pure"))


def _sources(diff: Diff) -> Iterator[Phrase]:
    """Masks and the like, and how many views there are."""
    for node in _gone(diff, "source"):
        if node.gives("mask"):
            yield Phrase("without", the(node.op))
    for node in _come(diff, "source"):
        if node.gives("mask"):
            takers = [f"`{line(n.name)}`" for n, _ in diff.b.consumers(node.name) if n.kind in ("module", "link")]
            yield Phrase("with", f"{term(node.op)} on the input of {listed(takers)}" if takers else term(node.op))
    views = [sum(len(e.values) for n in g.sources() if n.gives("image") for e in n.outputs.values()) for g in (diff.a, diff.b)]
    if views[0] != views[1]:
        yield Phrase("with", f"{views[1]} views of an image in place of {views[0]}")


def _nodes(diff: Diff) -> Iterator[Phrase]:
    """State, heads and other ops that came or went; what only serves a new loss goes without saying."""
    losses = _come(diff, "loss")
    served = _serving(diff.b, losses, [loss for loss in diff.b.losses() if loss not in losses])
    for node in _gone(diff, "state", "module"):
        if node.op not in {other.op for other in diff.b}:
            yield Phrase("without", the(node.op))
    for _, old, new in _both(diff):
        if new.op is not old.op and new.kind != "loss" and "link" not in (old.kind, new.kind):
            yield _replaced(old, new)
    for node in _come(diff, "state", "module"):
        if node.name not in served and node.op not in {other.op for other in diff.a}:
            yield Phrase("with", term(node.op) + _sizes(node))
    own = [new for _, old, new in _both(diff) if old.shares and new.kind == "module"]
    if own:
        yield Phrase("with", f"{term(own[0].op)} of its own for {listed([f'`{line(node.name)}`' for node in own])}")
    for _, old, new in _both(diff):
        if new.shares and old.kind == "module" and new.of:
            yield Phrase("with", f"`{line(new.name)}` sharing the weights of `{line(new.of.node)}`")


def _replaced(old: Node, new: Node) -> Phrase:
    """One op in place of another; the identity is none."""
    if new.op.name == "identity":
        return Phrase("without", the(old.op))
    return Phrase("with", term(new.op) + (_sizes(new) if old.op.name == "identity" else f" in place of {the(old.op)}"))


def _tensors(diff: Diff) -> Iterator[Phrase]:
    """Ops without weights that came."""
    new = [*_come(diff, "loss"), *(new for _, old, new in _both(diff) if new.kind == "loss" and new.op is not old.op)]
    served = _serving(diff.b, new, [loss for loss in diff.b.losses() if loss not in new])
    for node in _come(diff, "pure"):
        if node.name not in served and node.op not in {other.op for other in diff.a}:
            yield Phrase("with", term(node.op))


def _serving(graph: Graph, losses: list[Node], others: list[Node]) -> set[str]:
    """Nodes that only these losses are computed from."""
    needed = graph.ancestors(n.name for n in others) | ({graph.represent.node} if graph.represent else set())
    return graph.ancestors(n.name for n in losses) - needed


def _sizes(node: Node) -> str:
    """Its required attributes: ` (size 65536)`."""
    declared = node.op.attrs
    told = [f"{k} {value_words(v)}" for k, v in node.attrs.items() if k in declared and declared[k].default is REQUIRED]
    return f" ({', '.join(told)})" if told else ""


def _symmetry(diff: Diff) -> Iterator[Phrase]:
    """A loss that goes both ways between views, or does no longer."""
    for _, old, new in _both(diff):
        if "pairs" in old.attrs and "pairs" in new.attrs:
            before, after = _two_ways(old), _two_ways(new)
            if before != after:
                yield Phrase("with", "the loss symmetrised over views" if after else "the loss taken one way only")


def _two_ways(loss: Node) -> bool:
    pairs = set(loss.pairs or ())
    return any(i != j and (j, i) in pairs for i, j in pairs)


def _heads(diff: Diff) -> Iterator[Phrase]:
    """Layers of heads that differ."""
    for node, old, new in _both(diff):
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


def _encoders(diff: Diff) -> Iterator[Phrase]:
    for node, old, new in _both(diff):
        change = node.change("attribute", "arch")
        if change and new.op is old.op:
            yield Phrase("with", f"{value_words(change.new)} in place of {value_words(change.old)}")


def _numbers(diff: Diff) -> Iterator[Phrase]:
    """Numbers that each step uses (temperature, momentum, weight), required sizes, and widths."""
    for node, old, new in _both(diff):
        for change in node.changes:
            if change.part == "attribute" and change.key not in ("dims", "arch") and new.op is old.op and not new.op.observer:
                if ABSENT not in (change.old, change.new) and (_is_news(diff, new, change) or _is_width(old, new, change)):
                    yield Phrase("with", _number(new, change))


def _is_news(diff: Diff, node: Node, change: Change) -> bool:
    declared = node.op.attrs.get(change.key)
    if declared is None or is_steps(change.old):
        return False
    if change.key == "weight":
        return len([loss for loss in diff.b.losses() if not loss.op.observer]) > 1
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


def _augmentation(diff: Diff) -> Iterator[Phrase]:
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


def _recipe(diff: Diff) -> Iterator[Phrase]:
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


RULES: tuple[Callable[[Diff], Iterator[Phrase]], ...] = (
    _slow_copies,
    _targets,
    _sources,
    _losses,
    _nodes,
    _symmetry,
    _heads,
    _encoders,
    _augmentation,
    _numbers,
    _tensors,
    _recipe,
)
"""All rules; what an earlier one says matters more."""
