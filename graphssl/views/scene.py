"""What a drawing says, before it is placed: boxes, edges, badges, the total loss and the legend, as frozen data.

`scene(graph)` is a pure function of the graph. Renderers, the diff and the JSON output all read a `Scene`; none of them
looks at the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphssl.ir.graph import Graph, Node
from graphssl.ir.signature import Link
from graphssl.ir.types import Edge
from graphssl.language.schedule import Curve, Schedule
from graphssl.language.spec import Ref
from graphssl.views.describe import ELSEWHERE, Shape, attribute_words, packed, shapes_of, words

TOTAL = "total loss"
"""Name of the box where losses join; the space keeps it apart from every node."""

LANES = ("source", "student", "teacher", "state", "loss")
EDGE_KINDS = ("gradient", "data", "write", "ema", "copy", "share")
"""What an edge is: a value that carries gradient, a value that does not, a value stored for later steps, and the three
ways in which a call takes weights from elsewhere: slowly, once, or the same ones."""

MARKS = ("added", "removed", "changed", "error", "warning")
"""What a box or an edge can be marked as: by a comparison, or by a finding."""


def gravest(marks: Collection[str]) -> str:
    """`error` or `warning`, where one of these marks is a finding's."""
    return next((mark for mark in ("error", "warning") if mark in marks), "")


@dataclass(frozen=True)
class Number:
    """A number that may change over time: in words, in the fewest, and samples over the training (none if constant)."""

    text: str
    short: str
    samples: tuple[float, ...] = ()


@dataclass(frozen=True)
class Badge:
    """A mark on a box. kind: `represent`, `moment` (when state is written), `monitor`, `measure` or `broken`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Box:
    """One node. `lines` is what is written below its name, `attributes` everything it was given.

    module: the node whose weights it calls; two boxes with the same one are the same module. group: the block it is in.
    count: how many values it gives (one per view). stops_gradient: gradient arrives here and goes no further.
    curves: samples of schedules, each with the index of its line. place: file and line. mark: one of MARKS, or nothing;
    notes: what the mark is about, a line each. heat: where what a run measured lies on the colour scale, 0 to 1.
    """

    name: str
    op: str
    kind: str
    lane: str
    lines: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    badges: tuple[Badge, ...]
    doc: str
    place: str
    module: str | None = None
    group: str | None = None
    count: int = 1
    stops_gradient: bool = False
    broken: bool = False
    mark: str = ""
    notes: tuple[str, ...] = ()
    curves: tuple[tuple[int, tuple[float, ...]], ...] = ()
    heat: float | None = None


@dataclass(frozen=True)
class Arrow:
    """One edge, from an output port of `source` to an input port of `target`.

    shapes: what flows, a run of equal values as one. stops: gradient would come back here, but does not pass.
    number: the momentum of an `ema` edge, the weight of an edge to the total. mark, notes, heat: as of a Box.
    """

    source: str
    target: str
    kind: str
    port: str = ""
    into: str = ""
    shapes: tuple[Shape, ...] = ()
    stops: bool = False
    number: Number | None = None
    mark: str = ""
    notes: tuple[str, ...] = ()
    heat: float | None = None

    @property
    def label(self) -> str:
        """`2 × features[b 256]`, or the number, in full."""
        if self.number:
            return self.number.text
        return ", ".join(map(str, self.shapes))


@dataclass(frozen=True)
class Scene:
    """A method as a drawing, not yet placed.

    total: the losses in the total, each with its weight. recipe: what trains it: optimizer, numbers, schedules.
    findings: what is wrong, as severity and sentence, where that was asked for.
    """

    name: str
    title: str
    paper: str
    boxes: tuple[Box, ...]
    edges: tuple[Arrow, ...]
    total: tuple[tuple[str, Number], ...]
    lanes: tuple[tuple[str, str], ...]
    legend: tuple[tuple[str, str], ...]
    recipe: tuple[tuple[str, Number], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()

    def box(self, name: str) -> Box:
        return next(box for box in self.boxes if box.name == name)


def scene(graph: Graph) -> Scene:
    """The drawing of `graph`; nodes that are broken are drawn as far as they are understood."""
    lanes = _lanes(graph)
    edges = tuple(_edges(graph))
    blocked = {arrow.target for arrow in edges if arrow.stops}
    boxes = [_box(graph, node, lanes[node.name], node.name in blocked) for node in graph]
    total = tuple((node.name, number(graph, node.attrs.get("weight", 1.0))) for node in graph.losses())
    if len(total) > 1 or any(weight.text != "1" for _, weight in total):
        boxes.append(_total(graph, total))
        edges += tuple(Arrow(name, TOTAL, "gradient", into=name, number=weight) for name, weight in total)
    named = _lane_names(graph, set(lanes.values()))
    return Scene(
        name=graph.name,
        title=graph.title,
        paper=graph.spec.paper,
        boxes=tuple(boxes),
        edges=edges,
        total=total,
        lanes=named,
        legend=legend_of(boxes, edges),
        recipe=tuple(_recipe(graph)),
    )


def number(graph: Graph, value: Any) -> Number:
    """A plain number or a schedule, in words and sampled over the recipe's epochs (100 when there is no recipe)."""
    if not isinstance(value, Schedule):
        text = words(value)
        return Number(text, text)
    epochs = max(1, round(graph.train.epochs if graph.train else 100))
    samples = _sampled(value.bind(epochs * 100, 100), epochs * 100)
    if len(set(samples)) == 1:
        return Number(f"{samples[0]:g}", f"{samples[0]:g}")
    return Number(str(value), f"{samples[0]:g}→{value.last:g}", samples)


def _sampled(curve: Curve, steps: int) -> tuple[float, ...]:
    return tuple(float(f"{curve(steps * i // 24):.6g}") for i in range(25))


def _recipe(graph: Graph) -> Iterator[tuple[str, Number]]:
    """How it is trained, in the order in which a paper says it."""
    train = graph.train
    if train is None:
        return
    epochs = max(1, round(train.epochs))
    plain = {"optimizer": train.optimizer, "batch": words(train.batch_size), "epochs": words(train.epochs)}
    for key, text in plain.items():
        yield key, Number(text, text)
    samples = _sampled(train.lr_curve(epochs * 100, 100), epochs * 100)
    peak = f"{max(samples):.3g}"
    yield "lr", Number(peak, peak, samples if len(set(samples)) > 1 else ())
    if train.weight_decay.values() != [0.0, 0.0]:
        yield "weight decay", number(graph, train.weight_decay)


def _box(graph: Graph, node: Node, lane: str, blocked: bool) -> Box:
    phrases = [p for key, value in node.attrs.items() for p in attribute_words(node, key, value)]
    lines = [_what(node), *packed(phrases)]
    moving = {k: number(graph, v) for k, v in node.attrs.items() if isinstance(v, Schedule) and k not in ELSEWHERE}
    curves = tuple((len(lines) + i, value.samples) for i, value in enumerate(moving.values()) if value.samples)
    lines += [f"{key} {value.short}" for key, value in moving.items()]
    first = next((edge for edge in node.outputs.values()), None)
    group, slash, _ = node.name.partition("/")
    module = graph.nodes.get(node.root or "")
    return Box(
        name=node.name,
        op=node.op.name,
        kind=node.kind,
        lane=lane,
        lines=tuple(lines),
        attributes=tuple((key, words(value)) for key, value in node.attrs.items()),
        inputs=tuple(node.inputs),
        badges=tuple(_badges(graph, node)),
        doc=node.op.doc().partition("\n\n")[0].replace("\n", " "),
        place=str(f"{node.span.source.name}:{node.span.line}"),
        module=graph.module_of(node).name if module else None,
        group=group if slash else None,
        count=len(first.values) if first and first.listed else 1,
        stops_gradient=blocked,
        broken=node.broken,
        curves=curves,
    )


def _what(node: Node) -> str:
    """`encoder`, `ema of f`: the op, and for a link what it links to."""
    if node.of is None:
        return node.op.name
    return {"ema": "EMA of", "share": "same weights as"}.get(
        node.op.name, f"{node.op.name} copy of"
    ) + f" {node.of.node}"


def _badges(graph: Graph, node: Node) -> Iterator[Badge]:
    if graph.represent and graph.represent.node == node.name:
        port = f" {graph.represent.port}" if graph.represent.port else ""
        yield Badge("represent", f"represent{port}")
    moment = node.attrs.get("update")
    if isinstance(moment, str):
        yield Badge("moment", moment.replace("_", " "))
    for name, ref in graph.monitors:
        if ref.node == node.name:
            yield Badge("monitor", name)
    if node.broken:
        yield Badge("broken", "not understood")


def _total(graph: Graph, total: tuple[tuple[str, Number], ...]) -> Box:
    formula = " + ".join(name if weight.text == "1" else f"{weight.short} · {name}" for name, weight in total)
    return Box(TOTAL, "total", "total", "loss", ("Σ weight · loss",), (("sum", formula),), (), (), formula, "")


def _edges(graph: Graph) -> Iterator[Arrow]:
    for node in graph:
        for port, ref in node.refs():
            if ref.node in graph.nodes:
                yield _data(graph, node, port, ref)
        if node.of and node.of.node in graph.nodes:
            kind = {"ema": "ema", "share": "share"}.get(node.op.name, "copy")
            momentum = node.attrs.get("momentum")
            yield Arrow(node.of.node, node.name, kind, number=None if momentum is None else number(graph, momentum))


def _data(graph: Graph, node: Node, port: str, ref: Ref) -> Arrow:
    edge = graph.edge(ref) or Edge(())
    declared = node.signature.inputs.get(port)
    passes = not (declared and declared.blocks_gradient) and _passes(graph, node)
    kind = "gradient" if edge.grad and passes else "data"
    if declared and declared.delayed:
        kind = "write"
    return Arrow(
        ref.node,
        node.name,
        kind,
        port=graph.port(ref) if graph.nodes[ref.node].signature.outputs else "",
        into=port,
        shapes=shapes_of(edge.values, edge.listed),
        stops=edge.grad and not passes,
    )


def _passes(graph: Graph, node: Node) -> bool:
    """Gradient that arrives at an input goes on to where the input comes from."""
    if node.broken:
        return True
    return _module(graph, node) is not None and (node.kind != "pure" or node.carries_gradient)


def _module(graph: Graph, node: Node) -> Node | None:
    """The module whose weights a node calls; None for a link that is, itself or on the way there, a copy."""
    seen: set[str] = set()
    while issubclass(node.op, Link) and node.name not in seen:
        seen.add(node.name)
        if not node.op.trained:
            return None
        if node.of is None or node.of.node not in graph.nodes:
            break
        node = graph.nodes[node.of.node]
    return node


def _trained(graph: Graph, node: Node) -> bool:
    """Whether gradient moves the weights that a module or link calls."""
    module = _module(graph, node)
    return module is not None and not module.attrs.get("frozen")


def _lanes(graph: Graph) -> Mapping[str, str]:
    """A lane for each node: gradient decides for those without weights; without any, what they are computed from."""
    lanes: dict[str, str] = {}
    for node in graph:
        if node.kind in ("source", "state", "loss"):
            lanes[node.name] = node.kind
        elif node.kind in ("module", "link"):
            lanes[node.name] = "student" if _trained(graph, node) else "teacher"
        elif node.carries_gradient:
            lanes[node.name] = "student"
        else:
            before = {lanes.get(ref.node, "source") for _, ref in node.refs()}
            understood = not node.broken and before & {"student", "teacher", "state"}
            lanes[node.name] = "teacher" if understood or "teacher" in before else "student"
    return lanes


def _lane_names(graph: Graph, used: set[str]) -> tuple[tuple[str, str], ...]:
    """Lanes that hold a box, with what is written on them."""
    copies = any(not _trained(graph, node) for node in graph.of_kind("module", "link"))
    names = {"student": "student" if copies else "trained", "teacher": "teacher" if copies else "no gradient"}
    return tuple((lane, names.get(lane, lane)) for lane in LANES if lane in used)


_EDGE_LEGEND = {
    "gradient": "carries gradient",
    "data": "data, no gradient",
    "write": "stored for later steps",
    "ema": "EMA of the weights, with its momentum",
    "copy": "copied once",
    "share": "same weights",
}

_MARK_LEGEND = {
    "added": "added",
    "removed": "removed",
    "changed": "changed",
    "error": "an error is reported here",
    "warning": "a warning is reported here",
}


def legend_of(boxes: Sequence[Box], edges: tuple[Arrow, ...]) -> tuple[tuple[str, str], ...]:
    """What the drawing uses, each with its meaning."""
    kinds = {arrow.kind for arrow in edges}
    found = [(kind, _EDGE_LEGEND[kind]) for kind in EDGE_KINDS if kind in kinds]
    found += [("stop", "gradient stops")] if any(arrow.stops for arrow in edges) else []
    found += (
        [("state", "state: read gives the value from before the step")] if any(b.kind == "state" for b in boxes) else []
    )
    marks = {badge.kind for box in boxes for badge in box.badges}
    found += [("represent", "what evaluation takes")] if "represent" in marks else []
    found += [("moment", "when it is updated")] if "moment" in marks else []
    found += [("broken", "not understood")] if "broken" in marks else []
    drawn = {box.mark for box in boxes} | {arrow.mark for arrow in edges}
    found += [(mark, _MARK_LEGEND[mark]) for mark in MARKS if mark in drawn]
    return tuple(found)
