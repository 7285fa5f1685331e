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
from graphssl.views.diff.steps import StepDiff, is_steps, step_diffs, views_of
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


def _copies(graph: Graph) -> list[Node]:
    """Copies of trained weights that move: EMA."""
    return [node for node in graph if issubclass(node.op, Link) and not node.op.trained and "momentum" in node.attrs]


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
    """`target`: the one port of a loss at which their values arrive, or `copies`."""
    after = graph.descendants(node.name for node in nodes)
    ports = {port for loss in graph.losses() for port, ref in loss.refs() if ref.node in after and not loss.op.observer}
    return line(ports.pop()) if len(ports) == 1 else "copies"


def _targets(diff: Diff) -> Iterator[Phrase]:
    """What takes the place of a slow or fixed copy before a loss."""
    for node, old, new in _both(diff):
        if not (issubclass(old.op, Link) and not old.op.trained) or new.op is old.op:
            continue
        taken = [p for n, p in diff.b.consumers(new.name) if n.kind == "loss"]
        role = f"its {line(taken[0])}" if taken else f"`{line(new.name)}`"
        yield Phrase("clause", f"{role} is {_origin(diff.b, new)}")


def _origin(graph: Graph, node: Node) -> str:
    """A node in words: `the online projection itself behind a stop-gradient`."""
    flows = any(edge.grad for edge in node.outputs.values())
    if node.kind == "pure":
        before = next((ref.node for _, ref in node.refs()), "")
        trained = before in graph.nodes and any(edge.grad for edge in graph.nodes[before].outputs.values())
        what = f"the {'trained' if trained else 'same'} network's own `{line(before)}`"
        return f"{what}, with gradient" if flows else f"{what} behind {the(node.op)}" if "grad" in node.op.name else what
    if node.of:
        return f"{term(node.op)} of `{line(node.of.node)}`"
    return f"a frozen {bare(node.op)}" if node.attrs.get("frozen") else term(node.op)


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
            yield Phrase("without", the(node.op) if _sole(diff.a, node) else f"`{line(node.name)}`, {term(node.op)}")


def _sole(graph: Graph, node: Node) -> bool:
    return sum(other.op is node.op for other in graph) == 1


def _new_loss(diff: Diff, node: Node) -> str:
    before = sum(other.op is node.op for other in diff.a)
    what = f"{'another' if before > 1 else 'a second'} {bare(node.op)}" if before else term(node.op)
    kinds = dict.fromkeys(value.kind for edge in node.given.values() for value in edge.values)
    masked = any(_from_masks(diff.b, ref.node) for _, ref in node.refs())
    where = " on masked patches" if masked else f" on {line(next(iter(kinds)))}" if kinds and before else ""
    weight = node.attrs.get("weight", 1.0)
    return f"{what}{where}" + (f" (weight {value_words(weight)})" if weight != 1.0 else "")


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
    served = _serving(diff.b, _come(diff, "loss"), [n for n in diff.b.losses() if n not in _come(diff, "loss")])
    for node in _gone(diff, "state", "module"):
        if node.op not in {other.op for other in diff.b}:
            yield Phrase("without", the(node.op))
    for _, old, new in _both(diff):
        if new.op is not old.op and new.kind != "loss" and not issubclass(old.op, Link):
            yield Phrase("with", f"{term(new.op)} in place of {the(old.op)}")
    for node in _come(diff, "state", "module", "pure"):
        if node.name not in served and node.op not in {other.op for other in diff.a}:
            yield Phrase("with", term(node.op) + _sizes(node))


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
        if new.kind == "loss" and old.kind == "loss" and "query" in {*new.inputs, "query"}:
            before, after = _two_ways(old), _two_ways(new)
            if before != after and "pairs" in old.attrs and "pairs" in new.attrs:
                yield Phrase("with", "the loss taken both ways between views" if after else "the loss taken one way only")


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
                yield Phrase("with", f"{name} widths {arrow(change.old, change.new)}")
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
    """Numbers that each step uses (temperature, momentum, weight) and required sizes."""
    for node, old, new in _both(diff):
        for change in node.changes:
            if change.part != "attribute" or change.key in ("dims", "arch") or new.op is not old.op:
                continue
            if ABSENT in (change.old, change.new) or not _is_news(new, change):
                continue
            yield Phrase("with", _number(new, change))


def _is_news(node: Node, change: Change) -> bool:
    declared = node.op.attrs.get(change.key) or node.signature.attrs.get(change.key)
    if declared is None or (issubclass(node.op, Link) and change.key not in node.op.attrs):
        return False
    numbers = all(isinstance(v, (int, float, Schedule)) and not isinstance(v, bool) for v in (change.old, change.new))
    return declared.default is REQUIRED or (numbers and (declared.role in ("call", "commit") or change.key == "weight"))


def _number(node: Node, change: Change) -> str:
    key = line(change.key)
    of = {"link": "EMA ", "loss": "", "source": f"{bare(node.op)} "}.get(node.kind, f"{bare(node.op)} ")
    return f"{of}{key} {arrow(change.old, change.new)}"


def _augmentation(diff: Diff) -> Iterator[Phrase]:
    """Steps that came or went in any view (a step of probability 0 is none)."""
    added: dict[str, None] = {}
    removed: dict[str, None] = {}
    for _, old, new in _both(diff):
        for step in _steps(old, new):
            {"added": added, "removed": removed}.get(step.change, {})[step.name] = None
    added, removed = ({k: None for k in x if k not in y} for x, y in ((added, removed), (removed, added)))
    if added:
        yield Phrase("with", f"{listed(list(map(line, added)))} added to the augmentation")
    if removed:
        yield Phrase("with", f"no {' or '.join(map(line, removed))} in the augmentation")


def _steps(old: Node, new: Node) -> Iterator[StepDiff]:
    for key in ("steps", "views"):
        before, after = old.attrs.get(key), new.attrs.get(key)
        if is_steps(before) and is_steps(after):
            for x, y in zip(views_of(before or ()), views_of(after or ())):
                live = [{k: v for k, v in z.items() if not (isinstance(v, dict) and v.get("p") == 0)} for z in (x, y)]
                yield from step_diffs(*live)


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
    if old.lr_base != new.lr_base or old.lr_per != new.lr_per or old.lr_scale != new.lr_scale:
        yield Phrase("with", f"peak learning rate {arrow(old.peak_lr(), new.peak_lr())}" if old.peak_lr() != new.peak_lr() else "")
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
    _losses,
    _sources,
    _nodes,
    _symmetry,
    _heads,
    _encoders,
    _augmentation,
    _numbers,
    _recipe,
)
"""All rules; what an earlier one says matters more."""
