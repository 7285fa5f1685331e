"""Typed graph -> Python source of one `nn.Module`: the only way a graph is executed, and what `eject` prints.

The class is written as a person would write it: a constructor with one line per module, a forward with one line per
node, and a `commit` with one line per state. Each line knows its node.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphssl.compiler.calls import arguments, curve_source, literal
from graphssl.compiler.expressions import Expressions
from graphssl.compiler.output import asked
from graphssl.ir.graph import Graph, Node
from graphssl.ir.parts import parts_of
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


@dataclass
class _Lines:
    """Lines of source, each with the node it belongs to."""

    lines: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, text: str, node: Node | None = None) -> None:
        place = f"  # {node.span.place}" if node and text.strip() else ""
        self.lines.append((text + place, node.name if node else None))


def emit(graph: Graph) -> Program:
    """The program of a graph that has no errors."""
    return _Emitter(graph).program()


class _Emitter(Expressions):
    def __init__(self, graph: Graph):
        super().__init__(graph)
        self.out = _Lines()

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
        edge = next(iter(node.given.values()))
        return " + ".join(self.width_of(str(edge.values[0].axes[-1]))) if edge.values[0].axes else "1"

    def width_of(self, axis: str) -> list[str]:
        if axis.isdigit():
            return [axis]
        name = axis.removesuffix(".d")
        node = self.graph.nodes[name]
        if node.op.name == "concat":
            return [w for value in node.given["x"].values for w in self.width_of(str(value.axes[-1]))]
        return [f"{self.attribute(name)}.num_features"]

    # one step

    def forward(self) -> None:
        self.out.add("    def forward(self, views: dict, step: int = 0, keep: tuple = ()) -> StepOutput:")
        self.like = self.images()
        plan = self.graph.plan
        nodes = [node for node in self.graph.in_order() if node.name not in plan.on_request]
        self.read_views()
        self.read_schedules(self.graph)
        if plan.freed:
            self.out.add("        freed = {}")
        self.compute(nodes, freeing=True)
        self.stage_stored()
        self.result(nodes)

    def read_views(self) -> None:
        for node in self.graph.sources():
            self.out.add(f'        {self.local(node.name)} = views["{node.name}"]', node)

    def read_schedules(self, nodes: Iterable[Node]) -> None:
        """The values that the schedules of `nodes` have at this step."""
        names = {node.name for node in nodes}
        like = f"dtype={self.like}.dtype, device={self.device()}"
        for (name, key), attribute in self.schedules.items():
            node = self.graph.nodes[name]
            if name in names and node.op.attrs.get(key) and node.op.attrs[key].role != "commit":
                value = f"self.{attribute}(step)"
                self.out.add(f"        {self.scalar(name, key)} = torch.full((), {value}, {like})", node)

    def compute(self, nodes: Iterable[Node], *, freeing: bool = False, indent: str = "        ") -> None:
        """One line per node, under the contexts they run in; behind it what a state collects, and what is not needed any more."""
        plan, region = self.graph.plan, ""
        elsewhere = {name for names in plan.joined.values() for name in names}
        for node in nodes:
            if node.kind == "source":
                continue
            if node.name not in elsewhere:
                before, region = region, self.region(node)
                if region and region != before:
                    self.out.add(f"{indent}with {region}:")
                names = [node.name, *plan.joined.get(node.name, ())]
                targets = ", ".join(map(self.local, names))
                self.out.add(f"{indent}{'    ' if region else ''}{targets} = {self.call(node)}", node)
            collects = node.kind == "state" and not node.delayed
            gone = plan.freed.get(node.name, ()) if freeing else ()
            if collects:
                self.out.add(f"{indent}if self.training:")
                self.stage(node, f"{indent}    ")
            if gone:
                values = self.all_of(self.graph.nodes[name] for name in gone)
                self.out.add(f"{indent}freed |= {self.use(asked)}(keep, {{{values}}})", node)
                self.out.add(f"{indent}del {', '.join(map(self.local, gone))}", node)
            if collects or gone:
                region = ""

    def in_parts(self) -> None:
        """The step again, cut where samples begin to meet: `encode` takes a part of the batch, `conclude` all that they gave."""
        if not (self.graph.train and self.graph.train.micro_batch):
            return
        add, parts = self.out.add, parts_of(self.graph)
        first, rest = parts.by_sample[: parts.again], parts.by_sample[parts.again :]
        add("")
        add("    def encode(self, views: dict, step: int = 0, keep: tuple = (), again: bool = False) -> dict:")
        add(
            '        """What is computed sample by sample, of a part of the batch: what `keep` names; `again`: what learns."""'
        )
        self.like = self.images()
        self.read_views()
        self.read_schedules(parts.by_sample)
        self.compute(first)
        add("        if again:")
        add(f"            return {{{', '.join(self.kept(ref) for ref in parts.learning)}}}")
        self.compute(rest)
        add(f"        nodes = {{{self.all_of(parts.by_sample)}}}")
        add(f"        return {self.use(asked)}(keep, nodes)")
        add("")
        add("    def conclude(self, encoded: dict, step: int = 0, keep: tuple = ()) -> StepOutput:")
        add('        """What needs the whole batch, from what `encode` gave of all its parts, joined."""')
        self.like = "like"
        add("        like = next(self.parameters())")
        for ref in parts.cut:
            name = self.local(re.sub(r"\W", "_", str(ref).replace(".", "__")))
            add(f'        {name} = encoded["{ref}"]', self.graph.nodes[ref.node])
            self.encoded[ref.node, self.graph.port(ref)] = name
        self.read_schedules(parts.whole)
        self.compute(parts.whole)
        self.stage_stored()
        self.result(parts.whole)
        self.encoded.clear()

    def stage_stored(self) -> None:
        """What states that are read before they are fed will write after the step."""
        states = [node for node in self.graph.of_kind("state") if node.delayed]
        if states:
            self.out.add("        if self.training:")
        for node in states:
            self.stage(node, "            ")

    def stage(self, node: Node, indent: str) -> None:
        """What a state stores, or what went through it."""
        inputs = self.expressions(node)
        each, views = self.elements(node, inputs)
        stage = f"{self.attribute(node.name)}.stage({', '.join({**inputs, **each}.values())})"
        if each:
            self.out.add(f"{indent}for {views}:", node)
            self.out.add(f"{indent}    {stage}", node)
            self.out.add(f"{indent}del {', '.join(each.values())}", node)  # they would keep what they are views of
        else:
            self.out.add(f"{indent}{stage}", node)

    def result(self, nodes: Iterable[Node]) -> None:
        add, plan = self.out.add, self.graph.plan
        losses = self.graph.losses()
        words = ", ".join(f'"{n.name}": {self.reference(Ref(n.name, None, n.span))}' for n in losses)
        add(f"        losses = {{{words}}}")
        add(f"        total = {' + '.join(self.weighted(n) for n in losses) or '0.0'}")
        gone = {name for names in plan.freed.values() for name in names}
        add(f"        nodes = {{{self.all_of(node for node in nodes if node.name not in gone)}}}")
        monitors = ", ".join(f"{literal(name)}: {self.reference(ref)}" for name, ref in self.graph.monitors)
        if idle := [node for node in self.graph if node.name in plan.on_request]:
            add("        if keep:  # nothing else needs these")
            self.compute(idle, indent="            ")
            add(f"            nodes |= {{{self.all_of(idle)}}}")
        values = f"{self.use(asked)}(keep, nodes)"
        add(f"        return StepOutput(total, losses, {f'freed | {values}' if gone else values}, {{{monitors}}})")

    def all_of(self, nodes: Iterable[Node]) -> str:
        """Every output of `nodes` by its name."""
        return ", ".join(self.kept(node.output(port)) for node in nodes for port in node.outputs)

    def kept(self, ref: Ref) -> str:
        return f'"{ref}": {self.reference(ref)}'

    def weighted(self, node: Node) -> str:
        weight = node.attrs["weight"]
        loss = f'losses["{node.name}"]'
        if isinstance(weight, Schedule):
            return f"{self.scalar(node.name, 'weight')} * {loss}"
        return loss if weight == 1.0 else f"{literal(weight)} * {loss}"

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
        still = [node for node in self.graph if node.attrs.get("mode") == "eval" or node.attrs.get("frozen")]
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
