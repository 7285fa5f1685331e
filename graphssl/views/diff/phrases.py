"""What a paper would say of a diff: phrases in order of importance, by rules over ops, links and losses.

No rule knows a method or a node's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from graphssl.checks.flow import learning
from graphssl.ir.graph import Graph, Node
from graphssl.ir.signature import Link
from graphssl.language.fields import REQUIRED
from graphssl.views.diff.compare import Diff
from graphssl.views.diff.quantities import augmentation, encoders, heads, numbers, recipe
from graphssl.views.diff.values import line, listed, value_words
from graphssl.views.diff.vocabulary import Phrase, bare, come, gone, kept, term, the


def phrases(diff: Diff) -> list[Phrase]:
    """Everything worth a phrase, the most important first."""
    return list(dict.fromkeys(phrase for rule in RULES for phrase in rule(diff)))


def _taught(graph: Graph) -> set[str]:
    """Everything that a loss is computed from."""
    return graph.ancestors(loss.name for loss in learning(graph))


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
        of = listed(_originals(new))
        momenta = list(dict.fromkeys(value_words(node.attrs["momentum"]) for node in new))
        what = "a slow copy" if len(new) == 1 else "slow copies"
        yield Phrase("with", f"{what} of {of} (EMA, momentum {' and '.join(momenta)})")


def _part_in_loss(graph: Graph, nodes: list[Node]) -> str:
    """`target` where their values arrive at no other port of a loss, else what they are copies of."""
    after = graph.descendants(node.name for node in nodes)
    ports = {port for loss in learning(graph) for port, ref in loss.refs() if ref.node in after}
    of = _originals(nodes)
    return "target" if ports == {"target"} or not of else f"{'copy' if len(of) == 1 else 'copies'} of {listed(of)}"


def _originals(copies: list[Node]) -> list[str]:
    """The nodes whose weights these copy."""
    return [f"`{line(node.of.node)}`" for node in copies if node.of]


def _targets(diff: Diff) -> Iterator[Phrase]:
    """What takes the place of a slow or fixed copy before a loss."""
    for _, old, new in kept(diff):
        if _fixed(old) and new.kind == "pure":
            taken = [port for node, port in diff.b.consumers(new.name) if node.kind == "loss"]
            role = f"the {line(taken[0])}" if taken else f"`{line(new.name)}`"
            yield Phrase("clause", f"{role} is {_origin(diff.b, new)}")
    copies = [new for _, old, new in kept(diff) if new.op is not old.op and _fixed(old) and _fixed(new) and new.of]
    if copies and not _copies(diff.b):
        random = " with random weights" if all(node.attrs.get("init") == "random" for node in copies) else ""
        of = listed(_originals(copies))
        yield Phrase("clause", f"the {_part_in_loss(diff.b, copies)} is {term(copies[0].op)} of {of}{random}")
    frozen = [node for node in come(diff, "module", "link") if _frozen(node) and node.name in _taught(diff.b)]
    if frozen and not any(map(_frozen, diff.a)):
        what = f"a frozen {bare(frozen[0].signature)}{_arch(frozen[0])}"
        replaces = _copies(diff.a) and not _copies(diff.b)
        role = _part_in_loss(diff.b, frozen)
        yield Phrase("clause", f"the {role} comes from {what}") if replaces else Phrase("with", what)


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
    trained = before in graph.nodes and graph.nodes[before].carries_gradient
    what = f"the trained network itself (`{line(before)}`)" if trained else f"`{line(before)}`"
    if not trained:
        return what
    return f"{what}, with gradient" if any(e.grad for e in node.outputs.values()) else f"{what} behind {term(node.op)}"


def _losses(diff: Diff) -> Iterator[Phrase]:
    """Losses that became others, came or went; what only observes does not count."""
    for _, old, new in kept(diff):
        if new.kind == "loss" and new.op is not old.op:
            yield Phrase("with", f"{term(new.op)} in place of {the(old.op)}")
    for node in come(diff, "loss"):
        if not node.op.observer:
            yield Phrase("with", _new_loss(diff, node))
    for node in gone(diff, "loss"):
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
    return node is not None and (
        node.gives("mask") or any(port == "mask" for port, _ in node.refs() if node.kind == "pure")
    )


def _sources(diff: Diff) -> Iterator[Phrase]:
    """Masks and the like, and how many views there are."""
    for node in gone(diff, "source"):
        if node.gives("mask"):
            yield Phrase("without", the(node.op))
    for node in come(diff, "source"):
        if node.gives("mask"):
            takers = [f"`{line(n.name)}`" for n, _ in diff.b.consumers(node.name) if n.kind in ("module", "link")]
            yield Phrase("with", f"{term(node.op)} on the input of {listed(takers)}" if takers else term(node.op))
    views = [
        sum(len(e.values) for n in g.sources() if n.gives("image") for e in n.outputs.values())
        for g in (diff.a, diff.b)
    ]
    if views[0] != views[1]:
        yield Phrase("with", f"{views[1]} views of an image in place of {views[0]}")


def _nodes(diff: Diff) -> Iterator[Phrase]:
    """State, heads and other ops that came or went; what only serves a new loss goes without saying."""
    losses = come(diff, "loss")
    served = _serving(diff.b, losses, [loss for loss in diff.b.losses() if loss not in losses])
    for node in gone(diff, "state", "module"):
        if node.op not in {other.op for other in diff.b}:
            yield Phrase("without", the(node.op))
    for _, old, new in kept(diff):
        if new.op is not old.op and new.kind != "loss" and "link" not in (old.kind, new.kind):
            yield _replaced(old, new)
    for node in come(diff, "state", "module"):
        if node.name not in served and node.op not in {other.op for other in diff.a}:
            yield Phrase("with", term(node.op) + _sizes(node))
    own = [new for _, old, new in kept(diff) if old.shares and new.kind == "module"]
    if own:
        yield Phrase("with", f"{term(own[0].op)} of its own for {listed([f'`{line(node.name)}`' for node in own])}")
    for _, old, new in kept(diff):
        if new.shares and old.kind == "module" and new.of:
            yield Phrase("with", f"`{line(new.name)}` sharing the weights of `{line(new.of.node)}`")


def _replaced(old: Node, new: Node) -> Phrase:
    """One op in place of another; the identity is none."""
    if new.op.name == "identity":
        return Phrase("without", the(old.op))
    return Phrase("with", term(new.op) + (_sizes(new) if old.op.name == "identity" else f" in place of {the(old.op)}"))


def _tensors(diff: Diff) -> Iterator[Phrase]:
    """Ops without weights that came."""
    new = [*come(diff, "loss"), *(new for _, old, new in kept(diff) if new.kind == "loss" and new.op is not old.op)]
    served = _serving(diff.b, new, [loss for loss in diff.b.losses() if loss not in new])
    for node in come(diff, "pure"):
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
    for _, old, new in kept(diff):
        if "pairs" in old.attrs and "pairs" in new.attrs:
            before, after = _two_ways(old), _two_ways(new)
            if before != after:
                yield Phrase("with", "the loss symmetrised over views" if after else "the loss taken one way only")


def _two_ways(loss: Node) -> bool:
    pairs = set(loss.pairs or ())
    return any(i != j and (j, i) in pairs for i, j in pairs)


RULES: tuple[Callable[[Diff], Iterator[Phrase]], ...] = (
    _slow_copies,
    _targets,
    _sources,
    _losses,
    _nodes,
    _symmetry,
    heads,
    encoders,
    augmentation,
    numbers,
    _tensors,
    recipe,
)
"""All rules; what an earlier one says matters more."""
