"""Only numbers can be watched."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "monitor-not-scalar",
    "`monitors` names something that is not one number per step",
    "Monitors are written to the metrics each step, so they are scalars: losses, or outputs such as a probe's accuracy.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nmonitors: {features: f}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nmonitors: {probe: probe.loss}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for name, ref in graph.monitors:
        edge = graph.edge(ref)
        value = edge.values[0] if edge else None
        if value and value.kind not in ("scalar", "unknown"):
            message = (
                f"monitor `{name}` expects a scalar, got {value.kind} ({' '.join(map(str, value.axes))}) from `{ref}`"
            )
            help = "name a loss, or a scalar output such as `probe.accuracy`"
            yield Finding("monitor-not-scalar", message, ref.span, node=ref.node, help=help)
