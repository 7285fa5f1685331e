"""How a node is called, as Python source: names, inputs, lists of views, and the context it runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from graphssl.compiler.calls import arguments
from graphssl.compiler.output import StepOutput
from graphssl.compiler.regions import full_precision_region
from graphssl.ir.graph import Graph, Node
from graphssl.language.schedule import Schedule
from graphssl.language.spec import Ref
from graphssl.ops.modules.batch_norm import shuffled
from graphssl.ops.modules.lists import average, by_size, joint, side_by_side

_OWN_NAMES = frozenset(
    [
        "self",
        "views",
        "step",
        "keep",
        "losses",
        "total",
        "nodes",
        "freed",
        "asked",
        "x",
        "i",
        "j",
        "o",
        "images",
        "moment",
        "mode",
        "sum",
        "float",
        "take",
        "take_layers",
        "joint",
        "by_size",
        "average",
    ]
)
"""What the generated methods call things themselves."""


class Expressions:
    """Expressions over the nodes of one graph, and the objects that their names mean."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.names: dict[str, Any] = {"nn": nn, "torch": torch, "StepOutput": StepOutput}
        for node in graph:  # which helpers are used decides which local names must step aside
            if node.kind == "loss":
                self.use(full_precision_region)
            if node.kind in ("pure", "loss") and not node.op.needs_width:
                self.use(node.op.function())
        self.schedules = self._schedules()
        self.like = self.images()  # a tensor with the device and precision of the step
        self.encoded: dict[tuple[str, str], str] = {}  # (node, port) -> name of the value where it was computed before

    # names

    def use(self, thing: Callable[..., Any]) -> str:
        """The name of a function or class of ours in the generated source."""
        self.names[thing.__name__] = thing
        return thing.__name__

    def attribute(self, name: str) -> str:
        return "self." + name.replace("/", "_")

    def local(self, name: str) -> str:
        ident = name.replace("/", "_")
        taken = {*self.names, *_OWN_NAMES}
        taken |= {"again", "encoded", "like"} if self.graph.in_parts else set()
        return f"{ident}_" if ident in taken else ident

    def _schedules(self) -> dict[tuple[str, str], str]:
        """A name for every scheduled attribute; equal schedules of one attribute share `self.momentum`."""
        found = {
            (node.name, key): value
            for node in self.graph
            for key, value in node.attrs.items()
            if isinstance(value, Schedule)
        }
        names = {}
        for (node, key), _ in found.items():
            same = {v for (_, k), v in found.items() if k == key}
            clash = any(n.name.replace("/", "_") == key for n in self.graph)
            names[node, key] = key if len(same) == 1 and not clash else f"{node.replace('/', '_')}_{key}"
        return names

    # one node

    def region(self, node: Node) -> str:
        """The context a node runs in: teachers without gradient, losses in full precision."""
        still = node.kind == "link" or node.attrs.get("frozen")
        if (still and not node.carries_gradient) or node.name in self.graph.plan.no_grad:
            return "torch.no_grad()"
        if node.kind == "loss":
            return f"{self.use(full_precision_region)}({self.device()})"
        return ""

    def device(self) -> str:
        """An expression for the device that the step runs on."""
        return f"{self.like}.device"

    def images(self) -> str:
        """An expression for the first images of the step, whose device and precision the others share."""
        sources = sorted(self.graph.sources(), key=lambda node: not node.gives("image"))
        return f"{self.local(sources[0].name)}{'[0]' if sources[0].listed else ''}"

    def scalar(self, node: str, key: str) -> str:
        return self.local(f"{node}_{key}")

    def call(self, node: Node) -> str:
        """The right side of a node's line."""
        if node.delayed:
            return f"{self.attribute(node.name)}()"
        call, inputs = self.callee(node), self.expressions(node)
        if node.name in self.graph.plan.at_once:
            return call(inputs)
        if others := self.graph.plan.joined.get(node.name):
            module = self.attribute(self.graph.module_of(node).name)
            given = [e for name in (node.name, *others) for e in self.expressions(self.graph.nodes[name]).values()]
            return f"{self.use(side_by_side)}({module}, {', '.join(given)})"
        if node.pairs is not None:  # other lists belong to the views of the first
            _, right = node.op.paired  # type: ignore[attr-defined]
            index = {p: "[j]" if p == right else "[i]" for p, edge in node.given.items() if edge.listed}
            each = {p: e + index.get(p, "") for p, e in inputs.items()}
            return self.combined(node, f"[{call(each)} for i, j in {list(node.pairs)}]")
        each, views = self.elements(node, inputs)
        if not each:
            return call(inputs)
        one = call({**inputs, **each})
        how = self.graph.fed(node)
        if how != "per_view":
            names = ", ".join(each.values())
            short = one.removesuffix(f"({names})")
            function = short if one == f"{short}({names})" else f"lambda {names}: {one}"
            return f"{self.use(joint if how == 'joint' else by_size)}({function}, {', '.join(inputs[p] for p in each)})"
        listed = f"[{one} for {views}]"
        if node.kind != "loss":
            return listed
        return f"{self.use(average)}({listed})" if node.op.needs_width else self.combined(node, listed)

    def expressions(self, node: Node) -> dict[str, str]:
        """An expression for each input that is given, in the order of the signature."""
        return {port: self.expression(refs, node.given[port].listed) for port, refs in node.inputs.items()}

    def elements(self, node: Node, inputs: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """A name for one element of each input that is a list, and the words `x in f` that a loop over them has."""
        lifted = [p for p in inputs if node.given[p].listed and not node.signature.inputs[p].takes_list]
        each = {port: "x" if len(lifted) == 1 else f"{port}_" for port in lifted}
        views = ", ".join(inputs[port] for port in lifted)
        return each, f"{', '.join(each.values())} in {views if len(lifted) == 1 else f'zip({views})'}"

    def combined(self, node: Node, losses: str) -> str:
        """One loss from those of several views or pairs."""
        return f"sum({losses})" if node.attrs.get("reduce") == "sum" else f"torch.stack({losses}).mean()"

    def callee(self, node: Node) -> Callable[[dict[str, str]], str]:
        """How one call of the node is written, given expressions by input port."""
        op = node.signature
        if node.kind in ("module", "link"):
            module = self.attribute(self.graph.module_of(node).name)
            words = ", ".join(f'"{port}"' for port in node.outputs)

            def called(inputs: dict[str, str]) -> str:
                if not self.by_port(node):
                    return f"{module}({', '.join(inputs.values())})"
                image, *more = inputs.items()
                return f"{self.use(op.take())}({', '.join([module, image[1], words, *(f'{p}={e}' for p, e in more)])})"

            if not node.attrs.get("shuffle_bn"):
                return called
            ports = {port: port for port in node.inputs}
            call = f"lambda {', '.join(ports)}: {called(ports)}" if self.by_port(node) else module
            return lambda inputs: f"{self.use(shuffled)}({call}, {', '.join(inputs.values())}, step=step)"
        if node.kind == "state" or op.needs_width:
            return lambda inputs: f"{self.attribute(node.name)}({', '.join(inputs.values())})"
        function = op.function()
        keywords = op.call_arguments(node.attrs, node.given)
        dynamic = {k: self.scalar(node.name, k) for k, v in keywords.items() if isinstance(v, Schedule)}
        rest = {k: v for k, v in keywords.items() if k not in dynamic}
        tail = [*arguments(function, rest), *(f"{k}={v}" for k, v in dynamic.items())]
        name = self.use(function)
        single = len(node.inputs) == 1
        return lambda inputs: f"{name}({', '.join([*(e if single else f'{p}={e}' for p, e in inputs.items()), *tail])})"

    def by_port(self, node: Node) -> bool:
        """Whether a module's call gives a dict of ports: more than its default output is used, or it is told more."""
        return list(node.outputs) != [node.signature.default_port()] or len(node.inputs) > 1

    def expression(self, refs: tuple[Ref, ...], listed: bool) -> str:
        if len(refs) == 1 and (not listed or self.is_listed(refs[0])):
            return self.reference(refs[0])
        return "[" + ", ".join(("*" if self.is_listed(r) else "") + self.reference(r) for r in refs) + "]"

    def is_listed(self, ref: Ref) -> bool:
        edge = self.graph.edge(ref)
        return bool(edge and edge.listed)

    def reference(self, ref: Ref) -> str:
        """A node's output as an expression."""
        node, name = self.graph.nodes[ref.node], self.local(ref.node)
        port = self.graph.port(ref)
        if (ref.node, port) in self.encoded:
            return self.encoded[ref.node, port]
        if node.kind in ("module", "link"):
            if not self.by_port(node):
                return name
            return f'[o["{port}"] for o in {name}]' if node.listed else f'{name}["{port}"]'
        if len(node.op.outputs) > 1:
            return f"[o.{port} for o in {name}]" if node.listed else f"{name}.{port}"
        return name
