"""An augmentation step on values that are no colours any more."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import place
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding, Span
from graphssl.language.explanation import Explanation
from graphssl.language.tree import Mapping, at

EXPLAIN = Explanation(
    "step-after-normalize",
    "an augmentation step on colours comes after `normalize`",
    "Steps run in the order written, and a step that a patch adds comes last. Jitter, grayscale and solarize mean colours "
    "between 0 and 1; on normalised values they compute something else.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  v1: {steps: {solarize: {p: 0.2}}}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  v1: {steps: {normalize: null, solarize: {p: 0.2}}}\n",
)

COLOUR = ("jitter", "grayscale", "solarize")


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph.of_kind("source"):
        lists = [("steps", node.attrs.get("steps")), *((i, s) for i, s in enumerate(node.attrs.get("views") or ()))]
        for key, steps in lists:
            names = [name for name, _ in steps or ()]
            late = names[names.index("normalize") + 1 :] if "normalize" in names else []
            for name in [name for name in late if name in COLOUR][:1]:
                path = ("nodes", node.name, *(("steps",) if key == "steps" else ("views", key)))
                span = _key(graph, path, name)
                also = (_key(graph, path, "normalize"), "steps run in this order")
                message = f"`{name}` comes after `normalize`, where values are no colours"
                help = "spell out the steps with `normalize` last, or change a step that the recipe has already"
                yield Finding("step-after-normalize", message, span, "warning", node.name, help, also)


def _key(graph: Graph, path: tuple[str | int, ...], name: str) -> Span:
    steps = at(graph.spec.tree, list(path))
    return steps.entries[name].key_span if isinstance(steps, Mapping) and name in steps else place(graph, *path)
