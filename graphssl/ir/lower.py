"""Spec -> typed graph: names and attributes against the ops' signatures, inputs, loops, and the type of every edge.

Reports everything it finds and always returns a graph; a node it cannot understand is marked `broken` and gives values
of unknown type, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphssl.ir.graph import Graph, Node, order
from graphssl.ir.pairs import pairs_of
from graphssl.ir.signature import Input, Link, Loss, Module, Op, Source
from graphssl.ir.types import ANY_AXIS, UNKNOWN, Axes, Axis, Edge, Value, any_grad, patterns
from graphssl.language.diagnostics import Finding, GraphError, Span, did_you_mean
from graphssl.language.fields import INVALID, Field, Report, read_fields
from graphssl.language.limits import MAX_LIST, MAX_WIRES
from graphssl.language.spec import NodeSpec, Ref, Spec, read_reference
from graphssl.language.tree import Mapping as MapTree
from graphssl.language.tree import Sequence, Tree

Registry = Mapping[str, type[Op]]


def lower(spec: Spec, registry: Registry, report: Report) -> Graph:
    """The typed graph of `spec`, with ops from `registry`."""
    return _Lowering(spec, registry, report).graph()


@dataclass
class _Draft:
    """A node before its types are known."""

    spec: NodeSpec
    op: type[Op]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    inputs: dict[str, tuple[Ref, ...]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    of: Ref | None = None
    root: str | None = None
    signature: type[Op] = Op
    broken: bool = False


class _Lowering:
    def __init__(self, spec: Spec, registry: Registry, report: Report):
        self.spec, self.registry = spec, registry
        self.report = report
        self.axes = Axes()
        self.drafts: dict[str, _Draft] = {}
        self.nodes: dict[str, Node] = {}
        self.ports: dict[str, set[str]] = {}
        self.values = 0
        nodes = spec.tree.get("nodes")
        self.written = list(nodes.entries) if isinstance(nodes, MapTree) else []  # some may have been refused before

    def graph(self) -> Graph:
        for node in self.spec.nodes:
            if op := self.op(node):
                self.drafts[node.name] = _Draft(node, op)
        for draft in self.drafts.values():
            self.link(draft)
        for draft in self.drafts.values():
            self.attributes(draft)
            self.wires(draft)
        self.references()
        names, flow = self.ordered()
        for name in names:
            self.nodes[name] = self.typed(self.drafts[name])
        for state in [n for n in self.nodes.values() if n.delayed and _unknown(n.given) and not n.broken]:
            self.nodes[state.name] = self.stored(state)
        return Graph(
            name=self.spec.name,
            title=self.spec.title,
            nodes={name: self.settled(self.nodes[name]) for name in names},
            represent=self.spec.represent,
            monitors=self.spec.monitors,
            train=self.spec.train,
            spec=self.spec,
            _flow=flow,
        )

    def find(self, code: str, message: str, span: Span, node: str, help: str | None = None, **more: Any) -> None:
        self.report(Finding(code, message, span, node=node, help=help, **more))

    def op(self, node: NodeSpec) -> type[Op] | None:
        op = self.registry.get(node.op)
        if op is None:
            help = did_you_mean(node.op, self.registry)
            self.find("unknown-op", f"there is no op `{node.op}`", node.op_span, node.name, help)
        return op

    def link(self, draft: _Draft) -> None:
        """Resolve `of:` down to the module whose structure a link has."""
        draft.signature = draft.op
        tree = draft.spec.body.get("of")
        if not issubclass(draft.op, Link):
            return
        name = draft.spec.name
        if "from" in draft.spec.body and draft.op.from_run:  # it could not be worked in, which was reported
            draft.broken = True
            return
        if tree is None:
            draft.broken = True
            message = f"`{draft.op.name}` lacks `of`"
            self.find("missing-key", message, draft.spec.span, name, "add `of: NODE`, the module it links to")
            return
        draft.of = read_reference(tree, self.report, name)
        if draft.of is None:
            draft.broken = True
            return
        if draft.of.port:
            message = f"`of` names a node, not an output of it, got `{draft.of}`"
            self.find("bad-reference", message, tree.span, name, f"write `of: {draft.of.node}`")
        seen, current = {name}, draft
        while current.of and not current.broken:
            target = current.of.node
            if target not in self.drafts:
                draft.broken = True
                if target not in self.written:
                    help = did_you_mean(target, self.written, "node")
                    self.find("unknown-node", f"`of` names `{target}`, which is no node", tree.span, name, help)
                return
            if target in seen:
                draft.broken = True
                message, help = f"`of` goes round in a circle at `{target}`", "link one of them to a module"
                self.find("link-cycle", message, tree.span, name, help)
                return
            seen.add(target)
            current = self.drafts[target]
            current = self.drafts[current.root] if current.root else current  # was resolved before
            if current is not draft and issubclass(current.op, Link) and current.of is None:
                of = current.spec.body.get("of")
                current.of = read_reference(of, lambda finding: None) if of is not None else None
        if issubclass(current.op, Link):  # it has a finding of its own
            draft.broken = True
            return
        if not issubclass(current.op, Module):
            draft.broken = True
            message = f"`{draft.op.name}` needs a node with weights, but `{current.spec.name}` is `{current.op.name}`"
            also = (current.spec.span, "declared here")
            self.find(
                "link-to-no-module", message, tree.span, name, "link to an encoder, projector or predictor", also=also
            )
            return
        draft.root, draft.signature = current.spec.name, current.op

    def attributes(self, draft: _Draft) -> None:
        body, name = draft.spec.body, draft.spec.name
        wiring = [key for key in ("op", "in", "of") if key != "of" or issubclass(draft.op, Link)]
        if "in" in wiring and not draft.signature.inputs and not draft.broken:
            wiring.remove("in")
        fields: dict[str, Field] = dict(draft.op.attrs)
        if issubclass(draft.op, Link) and draft.signature is not draft.op:
            theirs = {key: kind for key, kind in draft.signature.attrs.items() if key not in fields}
            fields |= {key: replace(kind, default=None) for key, kind in theirs.items()}
        if draft.broken and issubclass(draft.op, Link):
            return
        of = f" of `{draft.root}` ({draft.signature.name})" if draft.signature is not draft.op else ""
        what = f"`{draft.op.name}`{of}"
        values = read_fields(body.without(*wiring), fields, "", self._named(name), what)
        if values is INVALID:
            draft.broken = True
            return
        overridden = set(body.entries)
        if issubclass(draft.op, Link):
            values = {k: v for k, v in values.items() if k in draft.op.attrs or k in overridden}
        draft.attrs = values

    def _named(self, node: str) -> Report:
        return lambda finding: self.report(replace(finding, node=node))

    def wires(self, draft: _Draft) -> None:
        """Read `in:` into references by port."""
        tree = draft.spec.body.get("in")
        signature, name = draft.signature, draft.spec.name
        if draft.broken and signature is draft.op and issubclass(draft.op, Link):
            return
        given: dict[str, Tree] = {}
        if isinstance(tree, MapTree):
            for entry in tree:
                if entry.key not in signature.inputs:
                    help = did_you_mean(entry.key, signature.inputs, "input")
                    message = f"`{signature.name}` has no input `{entry.key}`"
                    self.find("unknown-input", message, entry.key_span, name, help)
                    draft.broken = True
                else:
                    given[entry.key] = entry.value
        elif tree is not None and signature.inputs:
            given[next(iter(signature.inputs))] = tree
        for port in [port for port in signature.inputs if port in given]:  # the order of the file means nothing
            value = given[port]
            items = value.items if isinstance(value, Sequence) else (value,)
            refs = [read_reference(item, self.report, name) for item in items]
            if isinstance(value, Sequence):
                draft.listed.add(port)
                if not items:
                    self.find("missing-input", f"input `{port}` is an empty list", value.span, name, "name a node")
            draft.inputs[port] = tuple(ref for ref in refs if ref)
            draft.broken = draft.broken or len(draft.inputs[port]) < max(len(refs), 1)
        misspelt = isinstance(tree, MapTree) and any(key not in signature.inputs for key in tree.entries)
        for port, declared in signature.inputs.items():
            if port not in given and not declared.optional and not misspelt:
                draft.broken = True
                names = ", ".join(f"{p}: NODE" for p, i in signature.inputs.items() if not i.optional)
                single = sum(not i.optional for i in signature.inputs.values()) == 1
                help = "add `in: NODE`" if single else f"write `in: {{{names}}}`"
                message = f"`{name}` lacks its input `{port}`" + (f" ({declared.doc})" if declared.doc else "")
                self.find("missing-input", message, draft.spec.span, name, help)

    def references(self) -> None:
        """Every reference must name a node, and a port that node has."""
        for draft in self.drafts.values():
            for port in list(draft.inputs):
                good = [self.reference(ref, draft.spec.name) for ref in draft.inputs[port]]
                draft.broken = draft.broken or not all(good)
        tops = [("represent", self.spec.represent), *((f"monitors.{n}", ref) for n, ref in self.spec.monitors)]
        for _, top in tops:
            if top:
                self.reference(top, None)

    def reference(self, ref: Ref, node: str | None) -> bool:
        if ref.node not in self.drafts:
            if ref.node not in self.written:
                help = did_you_mean(ref.node, self.written, "node")
                message = f"there is no node `{ref.node}`"
                self.report(Finding("unknown-node", message, ref.span, node=node, help=help))
            return False
        target = self.drafts[ref.node]
        if not target.signature.outputs or (target.broken and issubclass(target.op, Link)):
            return False
        port = ref.port or target.signature.default_port()
        if target.signature.port_pattern(port) is None:
            help = did_you_mean(port, target.signature.outputs)
            message = f"`{ref.node}` ({target.signature.name}) has no output `{port}`"
            also = (target.spec.span, "declared here")
            self.report(Finding("unknown-port", message, ref.span, node=node, help=help, also=also))
            return False
        self.ports.setdefault(ref.node, set()).add(port)
        return True

    def ordered(self) -> tuple[list[str], Any]:
        """Nodes in computing order. A stored value may arrive later than it is read: such an edge closes no loop."""
        wires = [
            (ref.node, name, port in draft.signature.inputs and draft.signature.inputs[port].delayed)
            for name, draft in self.drafts.items()
            for port, refs in draft.inputs.items()
            for ref in refs
        ]
        names, loops, flow = order(list(self.drafts), [(a, b) for a, b, delayed in wires if not delayed])
        for loop in loops:
            self.loop(loop)
        stored_first, late, _ = order(list(self.drafts), [(a, b) for a, b, _ in wires])
        return names if late else stored_first, flow

    def loop(self, loop: list[str]) -> None:
        first = self.drafts[loop[0]]
        path = " → ".join([*loop, loop[0]])
        help = "break the loop: a value from an earlier step comes from a state node such as `queue`"
        self.find("loop", f"the nodes feed each other in a loop: {path}", first.spec.span, loop[0], help)
        for name in loop:
            self.drafts[name].broken = True

    def typed(self, draft: _Draft) -> Node:
        """The node with the types of its inputs checked and those of its outputs inferred."""
        name = draft.spec.name
        given = {port: self.arriving(draft, port) for port in draft.inputs}
        draft.broken = draft.broken or bool(draft.root and self.drafts[draft.root].broken)
        used = self.ports.get(name) or ({draft.signature.default_port()} if draft.signature.outputs else set())
        ports = sorted(used | ({draft.signature.score} if draft.signature.score else set()))
        pairs: tuple[tuple[int, int], ...] | None = None
        if draft.broken:
            outputs = {port: Edge((UNKNOWN,)) for port in ports}
        else:
            if issubclass(draft.op, Loss) and draft.op.paired:
                written = draft.spec.body.get("pairs")
                span = written.span if written else draft.spec.span
                pairs = pairs_of(draft.op, draft.attrs, draft.inputs, given, name, span, self.report)
                self.values += len(pairs or ())
                self.count(draft, 0, span)
            outputs = self.inferred(draft, given, ports, pairs)
        return Node(
            name=name,
            op=draft.op,
            signature=draft.signature,
            attrs=draft.attrs,
            inputs=draft.inputs,
            given=given,
            outputs=outputs,
            span=draft.spec.span,
            spans=_spans(draft.spec.body),
            of=draft.of,
            root=draft.root or (name if issubclass(draft.op, Module) else None),
            pairs=pairs,
            broken=draft.broken,
        )

    def arriving(self, draft: _Draft, port: str) -> Edge:
        values: list[Value] = []
        listed = port in draft.listed
        for ref in draft.inputs[port]:
            node = self.nodes.get(ref.node)
            known = node is not None and node.signature.outputs
            edge = node.outputs.get(ref.port or node.signature.default_port()) if node and known else None
            values.extend(edge.values if edge else (UNKNOWN,))
            listed = listed or bool(edge and edge.listed)
            self.count(draft, len(values), ref.span)
        self.values += len(values)
        self.count(draft, 0, draft.spec.span)
        return Edge(tuple(values) or (UNKNOWN,), listed)

    def count(self, draft: _Draft, many: int, span: Span) -> None:
        """Stop when a list, or all of them together, are longer than any method needs."""
        name = draft.spec.name
        if many > MAX_LIST:
            message = f"a list in `{name}` holds more than {MAX_LIST} values"
            raise GraphError([Finding("too-many-views", message, span, node=name)])
        if self.values > MAX_WIRES:
            message = f"`{name}` and the nodes before it take more than {MAX_WIRES:,} values together"
            raise GraphError([Finding("too-many-views", message, span, node=name)])

    def inferred(
        self, draft: _Draft, given: Mapping[str, Edge], ports: list[str], pairs: tuple[tuple[int, int], ...] | None
    ) -> dict[str, Edge]:
        signature, name = draft.signature, draft.spec.name
        for port, edge in given.items():
            declared = signature.inputs[port]
            if declared.takes_list and len(edge.values) < declared.views and UNKNOWN not in edge.values:
                message = f"`{signature.name}` needs a list of at least {declared.views} views, got one value"
                span = draft.inputs[port][0].span
                self.find("needs-list", message, span, name, "give it several, for example `in: [z1, z2]`")
        unknown = {port: Edge((UNKNOWN,)) for port in ports}
        lifted = {p: e for p, e in given.items() if e.listed and not signature.inputs[p].takes_list}
        if _unknown(lifted):
            return unknown
        counts = {len(edge.values) for port, edge in lifted.items()}
        if pairs is not None:
            elements = self.paired(draft, given, pairs)
        elif len(counts) > 1:
            words = ", ".join(f"`{port}` has {len(edge.values)}" for port, edge in lifted.items())
            if not _unknown(given):  # of what is unknown, the length is too
                self.find("list-lengths", f"lists of different length meet in `{name}`: {words}", draft.spec.span, name)
            return unknown
        else:
            elements = [
                {p: e.values[i] if p in lifted else e.values[0] for p, e in given.items()}
                for i in range(next(iter(counts), 1))
            ]
        single_sources = not given and bool(signature.outputs)
        if single_sources:
            return {port: self.source_edge(draft, port) for port in ports}
        bounds = [self.bind(draft, element, given) for element in elements]
        if (
            not elements
            or draft.broken
            or _unknown({p: e for p, e in given.items() if not signature.inputs[p].delayed})
        ):
            return unknown
        stored = all(
            signature.inputs[port].delayed for port in given
        )  # it keeps the rows of the list, and gives them as one
        listed = bool(lifted) and not stored and not issubclass(draft.op, Loss)
        outputs = {}
        for port in ports:
            values = [self.infer(draft, port, e, b) for e, b in zip(elements, bounds, strict=True)]
            outputs[port] = Edge(tuple(values) if listed else (values[0],), listed)
        return outputs

    def stored(self, node: Node) -> Node:
        """A state again, now that what it stores, computed from what it gave before, is known."""
        again = self.typed(self.drafts[node.name])
        for port, edge in again.outputs.items():
            for value, before in zip(edge.values, node.outputs[port].values, strict=False):
                for axis, other in zip(value.axes, before.axes, strict=False):
                    self.axes.unify(axis, other)
        return again

    def infer(self, draft: _Draft, port: str, element: Mapping[str, Value], bound: Mapping[str, Axis]) -> Value:
        root = draft.root or draft.spec.name
        attrs = draft.attrs
        if draft.signature is not draft.op and draft.root:
            attrs = {**self.drafts[draft.root].attrs, **draft.attrs}
        value = draft.signature.infer(root, port, attrs, element, bound)
        if attrs.get("frozen"):  # gradient passes through, but none begins here
            value = replace(value, grad=any_grad(element.values()))
        while issubclass(draft.op, Link) and draft.of:
            if not draft.op.trained:  # a copy that is not trained gives no gradient
                return replace(value, grad=False)
            draft = self.drafts[draft.of.node]
        return value

    def source_edge(self, draft: _Draft, port: str) -> Edge:
        names = draft.op.views_of(draft.spec.name, draft.attrs) if issubclass(draft.op, Source) else []
        self.values += len(names)
        self.count(draft, len(names), draft.spec.span)
        values = [
            replace(draft.op.infer(draft.spec.name, port, draft.attrs, {}, {"b": "b"}), view=v)
            for v in names or [draft.spec.name]
        ]
        return Edge(tuple(values), listed=bool(names))

    def paired(
        self, draft: _Draft, given: Mapping[str, Edge], pairs: tuple[tuple[int, int], ...]
    ) -> list[dict[str, Value]]:
        _, right = draft.op.paired  # type: ignore[attr-defined]
        return [
            {port: edge.values[0 if not edge.listed else j if port == right else i] for port, edge in given.items()}
            for i, j in pairs
        ]

    def bind(self, draft: _Draft, element: Mapping[str, Value], given: Mapping[str, Edge]) -> dict[str, Axis]:
        """Axes that the inputs give to the names in the signature; disagreement is reported with both places."""
        bound: dict[str, Axis] = {}
        owner: dict[str, str] = {}
        for port, value in element.items():
            several = given[port].values if draft.signature.inputs[port].takes_list else (value,)
            for each in several:
                self.bind_one(draft, port, draft.signature.inputs[port], each, bound, owner)
        root = draft.root or (draft.spec.name if issubclass(draft.op, Module) else None)
        if root and "d" in bound and not self.axes.unify(f"{root}.in", bound["d"]):
            expected = self.axes.find(f"{root}.in")
            message = f"`{root}` takes width {expected}, but gets {self.axes.find(bound['d'])} in `{draft.spec.name}`"
            also = (self.drafts[root].spec.span, "the same weights are first used here")
            port = next(iter(draft.inputs))
            self.find("width-mismatch", message, draft.inputs[port][0].span, draft.spec.name, also=also)
        return bound

    def bind_one(
        self, draft: _Draft, port: str, declared: Input, value: Value, bound: dict[str, Axis], owner: dict[str, str]
    ) -> None:
        if value.kind == "unknown":
            return
        name, ref = draft.spec.name, draft.inputs[port][0]
        accepted = patterns(declared.type)
        pattern = next((p for p in accepted if p.kind in (value.kind, "any")), None)
        target = self.drafts[ref.node]
        if pattern is None:
            expected = " or ".join(map(str, accepted))
            got = f"{value.kind} ({' '.join(map(str, value.axes))})"
            message = f"`{name}.{port}` expects {expected}, got {got} from `{ref}`"
            help = _conversion(accepted[0].kind, value.kind, ref, target.signature)
            draft.broken = True
            also = (target.spec.span, f"`{ref.node}` ({target.signature.name}) is declared here")
            self.find("port-type-mismatch", message, ref.span, name, help, also=also)
            return
        for axis, actual in zip(pattern.axes, value.axes, strict=False):
            if axis == ANY_AXIS:
                continue
            if axis not in bound:
                bound[axis], owner[axis] = actual, str(ref)
            elif not self.axes.unify(bound[axis], actual):
                self.disagree(draft, port, ref, axis, bound[axis], actual, owner[axis])

    def disagree(self, draft: _Draft, port: str, ref: Ref, axis: str, first: Axis, second: Axis, owner: str) -> None:
        first, second = self.axes.find(first), self.axes.find(second)
        name = draft.spec.name
        other = owner.partition(".")[0]
        also = (self.drafts[other].spec.span, f"`{owner}` is declared here") if other in self.drafts else None
        if {first, second} == {"b", "B"}:
            gathered, local = (owner, str(ref)) if first == "B" else (str(ref), owner)
            message = f"in `{name}`, `{gathered}` holds the samples of all ranks but `{local}` those of one"
            self.find("gather-mismatch", message, ref.span, name, "gather both, or neither", also=also)
            return
        message = f"in `{name}`, `{owner}` has width {first} but `{ref}` has width {second}"
        self.find("width-mismatch", message, ref.span, name, f"make `{ref}` as wide as `{owner}`", also=also)

    def settled(self, node: Node) -> Node:
        """The node with every axis replaced by what it was found equal to."""

        def settle(edges: Mapping[str, Edge]) -> dict[str, Edge]:
            return {
                port: replace(edge, values=tuple(self.axes.settled(value) for value in edge.values))
                for port, edge in edges.items()
            }

        return replace(node, given=settle(node.given), outputs=settle(node.outputs))


def _unknown(edges: Mapping[str, Edge]) -> bool:
    return any(UNKNOWN in edge.values for edge in edges.values())


def _spans(body: MapTree) -> dict[str, Span]:
    """Places of a node's keys: of the key itself for maps and lists, of the value for scalars."""
    return {entry.key: entry.value.span for entry in body}


def _conversion(expected: str, got: str, ref: Ref, signature: type[Op]) -> str | None:
    if got in ("tokens", "map") and expected == "features" and "pooled" not in signature.outputs:
        return f"make one vector per image before `{ref.node}`"
    known = {
        ("features", "tokens"): f"take one vector per image, for example `{ref.node}.cls` or `{ref.node}.pooled`",
        ("features", "map"): f"take one vector per image: `{ref.node}.pooled`",
        ("features", "image"): f"put an encoder between: `{{op: encoder, in: {ref.node}, arch: resnet50}}`",
        ("image", "features"): "an encoder takes images; use `projector` or `predictor` on features",
        ("tokens", "features"): f"take patch tokens: `{ref.node}.patch`",
        ("probabilities", "logits"): f"make probabilities of `{ref}` with a `softmax` or `sinkhorn` node",
        ("probabilities", "features"): f"make probabilities of `{ref}` with a `softmax` or `sinkhorn` node",
        ("logits", "probabilities"): "take what comes before the `softmax`: the loss applies its own",
        ("label", "features"): "labels come from a `{op: label}` node",
    }
    return known.get((expected, got))
