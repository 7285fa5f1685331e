"""The lines of one step: a line per node, in the order and under the contexts that the graph's plan says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from graphssl.compiler.calls import literal
from graphssl.compiler.expressions import Expressions
from graphssl.compiler.output import asked
from graphssl.ir.graph import Graph, Node
from graphssl.ir.parts import parts_of
from graphssl.language.schedule import Schedule
from graphssl.language.spec import Ref


@dataclass
class Lines:
    """Lines of source, each with the node it belongs to."""

    lines: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, text: str, node: Node | None = None) -> None:
        place = f"  # {node.span.place}" if node and text.strip() else ""
        self.lines.append((text + place, node.name if node else None))


class Steps(Expressions):
    """Writes the methods of a class that compute: `forward`, and the same in parts."""

    def __init__(self, graph: Graph):
        super().__init__(graph)
        self.out = Lines()

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
        self.stage(self.stored())
        self.result(nodes, freeing=True)

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
                targets = ", ".join(map(self.local, (node.name, *plan.joined.get(node.name, ()))))
                self.out.add(f"{indent}{'    ' if region else ''}{targets} = {self.call(node)}", node)
            if node.kind == "state" and not node.delayed:
                self.stage([node], indent)
                region = ""
            if freeing and node.name in plan.freed:
                self.free(node, indent)
                region = ""

    def free(self, node: Node, indent: str) -> None:
        """Let go of what nothing needs behind this node, unless it is asked for."""
        gone = self.graph.plan.freed[node.name]
        values = self.all_of(self.graph.nodes[name] for name in gone)
        self.out.add(f"{indent}freed |= {self.use(asked)}(keep, {{{values}}})", node)
        self.out.add(f"{indent}del {', '.join(map(self.local, gone))}", node)

    def in_parts(self) -> None:
        """The step again, cut where samples begin to meet: `encode` takes a part of the batch, `conclude` all that they gave."""
        if not self.graph.in_parts:
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
        self.stage(self.stored())
        self.result(parts.whole)
        self.encoded.clear()

    def stage(self, states: list[Node], indent: str = "        ") -> None:
        """What states will write after the step: what they store, or what went through them."""
        if states:
            self.out.add(f"{indent}if self.training:")
        for node in states:
            inputs = self.expressions(node)
            each, views = self.elements(node, inputs)
            stage = f"{self.attribute(node.name)}.stage({', '.join({**inputs, **each}.values())})"
            if each:
                self.out.add(f"{indent}    for {views}:", node)
                self.out.add(f"{indent}        {stage}", node)
                self.out.add(
                    f"{indent}    del {', '.join(each.values())}", node
                )  # they would keep what they are views of
            else:
                self.out.add(f"{indent}    {stage}", node)

    def stored(self) -> list[Node]:
        """States that are read before they are fed."""
        return [node for node in self.graph.of_kind("state") if node.delayed]

    def result(self, nodes: Iterable[Node], *, freeing: bool = False) -> None:
        add, plan = self.out.add, self.graph.plan
        losses = self.graph.losses()
        words = ", ".join(f'"{n.name}": {self.reference(Ref(n.name, None, n.span))}' for n in losses)
        add(f"        losses = {{{words}}}")
        add(f"        total = {' + '.join(self.weighted(n) for n in losses) or '0.0'}")
        gone = {name for names in plan.freed.values() for name in names} if freeing else set()
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
