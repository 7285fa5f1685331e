"""Typed graph -> Python source of one `nn.Module`: the only way a graph is executed, and what `eject` prints.

The class is written as a person would write it: a constructor with one line per module, a forward with one line per
node, and a `commit` with one line per state. Each line knows its node.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphssl.compiler.calls import arguments, curve_source, literal
from graphssl.compiler.steps import Steps
from graphssl.ir.graph import Graph, Node
from graphssl.ir.signature import Module
from graphssl.language.schedule import Curve, Schedule
from graphssl.language.spec import Ref
from graphssl.ops.modules.batch_norm import grouped_batch_norm
from graphssl.ops.modules.links import copy_of, ema_update, starting_as, without_gradient


@dataclass(frozen=True)
class Program:
    """Source of one class, the objects its names mean, and the node of each line (1-based)."""

    class_name: str
    source: str
    names: Mapping[str, Any]
    nodes: Mapping[int, str]


def emit(graph: Graph) -> Program:
    """The program of a graph that has no errors."""
    return _Emitter(graph).program()


class _Emitter(Steps):
    # the class

    def program(self) -> Program:
        graph, add = self.graph, self.out.add
        class_name = "".join(part.capitalize() for part in graph.name.split("_")) or "Method"
        taken = class_name in self.names or keyword.iskeyword(class_name)
        class_name = f"{class_name}Method" if taken else class_name
        add(f"class {class_name}(nn.Module):")
        paper = f" ({graph.spec.paper})" if graph.spec.paper else ""
        add(f'    """{docstring(graph.title + paper)}."""')
        add("")
        self.constructor()
        add("")
        self.forward()
        self.in_parts()
        add("")
        self.commit()
        self.mode()
        self.represent()
        source = "\n".join(text for text, _ in self.out.lines) + "\n"
        nodes = {i: node for i, (_, node) in enumerate(self.out.lines, start=1) if node}
        return Program(class_name, source, dict(self.names), nodes)

    def constructor(self) -> None:
        add = self.out.add
        add("    def __init__(self, steps: int = 100_000, steps_per_epoch: int = 1_000):")
        add("        super().__init__()")
        done: set[str] = set()
        for node in self.graph:  # a link may stand before what it copies
            self.construct(node, done)
        seen = set()
        for (name, key), attribute in self.schedules.items():
            if attribute not in seen:
                seen.add(attribute)
                curve = curve_source(self.graph.nodes[name].attrs[key])
                self.use(Curve)
                add(f"        self.{attribute} = {curve}", self.graph.nodes[name])

    def construct(self, node: Node, done: set[str]) -> None:
        if node.name in done:
            return
        done.add(node.name)
        target = self.attribute(node.name)
        if node.kind == "link":
            if node.shares:
                return
            assert node.of
            self.construct(self.graph.nodes[node.of.node], done)
            self.out.add(f"        {target} = {self.copy(node)}", node)
        elif node.kind in ("module", "state") or node.op.needs_width:
            built = self.built(node.op, node.attrs, node)
            built = f"{self.use(without_gradient)}({built})" if node.attrs.get("frozen") else built
            self.out.add(f"        {target} = {built}", node)

    def copy(self, node: Node) -> str:
        """A teacher: a copy of what it links to, rebuilt where attributes are overridden or weights are its own."""
        assert node.of and node.root
        root = self.graph.nodes[node.root]
        own = {key: value for key, value in node.attrs.items() if key not in node.op.attrs}
        overrides = {key: value for key, value in own.items() if root.op.attrs[key].role == "build"}
        source = self.attribute(self.graph.module_of(self.graph.nodes[node.of.node]).name)
        if node.attrs["init"] == "copy" and not overrides:
            return f"{self.use(copy_of)}({source})"
        built = self.built(root.op, {**root.attrs, **overrides}, root)
        if node.attrs["init"] == "random":
            return f"{self.use(without_gradient)}({built})"
        return f"{self.use(starting_as)}({built}, {source})"

    def built(self, op: Any, attrs: Mapping[str, Any], node: Node) -> str:
        """The constructor call of a module."""
        build = op.build()
        given = {port: edge.values for port, edge in node.given.items()}
        if issubclass(op, Module):  # a module sees what every call of it sees
            for other in self.graph:
                if other.root == node.name and other.name != node.name:
                    more = {port: edge.values for port, edge in other.given.items()}
                    given = {port: given.get(port, ()) + more.get(port, ()) for port in {**given, **more}}
        ports = {port for other in self.graph if other.root == node.name for port in other.outputs}
        keywords = {**op.build_arguments(attrs, given), **op.needed(attrs, ports)}
        width = [self.width(node)] if op.needs_width else []
        rows = keywords.pop("bn_group", None)
        made = f"{self.use(build)}({', '.join([*width, *arguments(build, keywords)])})"
        return f"{self.use(grouped_batch_norm)}({made}, rows={rows})" if rows else made

    def width(self, node: Node) -> str:
        """The width of what arrives, as a number or as `self.f.num_features`."""
        value = next(iter(node.given.values())).values[0]
        return " + ".join(self.width_of(str(value.axes[1 if value.kind == "map" else -1]))) if value.axes else "1"

    def width_of(self, axis: str) -> list[str]:
        if axis.isdigit():
            return [axis]
        name = axis.removesuffix(".d")
        node = self.graph.nodes[name]
        if node.op.name == "concat":
            return [w for value in node.given["x"].values for w in self.width_of(str(value.axes[-1]))]
        return [f"{self.attribute(name)}.num_features"]

    # between steps

    def commit(self) -> None:
        add = self.out.add
        add("    @torch.no_grad()")
        add("    def commit(self, moment: str, step: int = 0) -> None:")
        add('        """Write the state that moves at `moment` (before_forward or after_step) of this step."""')
        moving = [node for node in self.graph if "update" in node.attrs]
        written = False
        for moment in ("before_forward", "after_step"):
            nodes = [node for node in moving if node.attrs["update"] == moment]
            if nodes:
                written = True
                add(f'        if moment == "{moment}":')
            for node in nodes:
                add(f"            {self.write(node)}", node)
        if not written:
            add("        pass  # no state")
        states = self.graph.of_kind("state")
        add("")
        add("    def discard(self) -> None:")
        add('        """Forget what was staged for the next commit: the step did not happen."""')
        for node in states:
            add(f"        {self.attribute(node.name)}.staged.clear()", node)
        if not states:
            add("        pass  # nothing is staged")

    def write(self, node: Node) -> str:
        if node.kind == "state":
            return f"{self.attribute(node.name)}.commit()"
        assert node.of
        momentum = node.attrs["momentum"]
        value = (
            f"self.{self.schedules[node.name, 'momentum']}(step)"
            if isinstance(momentum, Schedule)
            else literal(momentum)
        )
        fast = self.attribute(self.graph.module_of(self.graph.nodes[node.of.node]).name)
        buffers = "" if node.attrs["buffers"] == "own" else f', buffers="{node.attrs["buffers"]}"'
        return f"{self.use(ema_update)}({self.attribute(node.name)}, {fast}, momentum={value}{buffers})"

    def mode(self) -> None:
        still = [node for node in self.graph if node.always_eval]
        if not still:
            return
        add = self.out.add
        add("")
        add("    def train(self, mode: bool = True):")
        add("        super().train(mode)")
        for node in still:
            add(f"        {self.attribute(node.name)}.eval()", node)
        add("        return self")

    def represent(self) -> None:
        """The path from an image to the features that evaluation takes."""
        if self.graph.represent is None:
            return
        add = self.out.add
        add("")
        add("    def represent(self, images: torch.Tensor) -> torch.Tensor:")
        add('        """Features of images (b c h w): what evaluation and export take."""')
        chain: list[Ref] = []
        ref: Ref | None = self.graph.represent
        while ref and self.graph.nodes[ref.node].kind != "source":
            chain.append(ref)
            node = self.graph.nodes[ref.node]
            ref = node.inputs[node.path[0]][0] if node.path else None
        x = "images"
        for ref in reversed(chain):
            node = self.graph.nodes[ref.node]
            signature = node.signature
            port, default = self.graph.port(ref), signature.default_port()
            if node.kind in ("module", "link") and port != default:
                module = self.attribute(self.graph.module_of(node).name)
                call = f'{self.use(signature.take())}({module}, {x}, "{port}")["{port}"]'
            elif node.kind in ("module", "link"):
                call = f"{self.attribute(self.graph.module_of(node).name)}({x})"
            else:
                call = self.callee(node)({node.path[0]: x})
            add(f"        {self.local(node.name)} = {call}", node)
            x = self.local(node.name)
        add(f"        return {x}")


def docstring(text: str) -> str:
    """The text as one line that can stand in a docstring, before more text."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line.replace("\\", "\\\\").replace('"', "'").rstrip(".")
