"""`show`: a method as a table on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from graphssl.checks.dry_run import measure
from graphssl.ir.graph import Graph, Node
from graphssl.language.schedule import Schedule
from graphssl.pipeline import Method


def method_table(method: Method) -> None:
    """Print nodes with measured shapes and parameters, what is trained, and the state that is kept."""
    graph = method.checked_graph()
    measured = measure(graph)
    console = Console(highlight=False)
    table = Table(title=escape(graph.title), title_justify="left", show_edge=False, pad_edge=False)
    for column in ("node", "op", "takes", "gives", "parameters", "weights"):
        table.add_column(column, justify="right" if column == "parameters" else "left", overflow="fold")
    for node in graph:
        facts = measured[node.name]
        count = facts["parameters"]
        own = node.kind not in ("source", "pure") and node.op.name != "share"
        cells = (
            node.name,
            _op(node),
            ", ".join(str(ref) for refs in node.inputs.values() for ref in refs),
            "; ".join(_shapes(shapes) for shapes in facts["outputs"].values()),
            f"{count:,}" if own and count else "",
            _weights(graph, node),
        )
        table.add_row(*map(escape, cells))
    console.print(table)
    trained = sum(measured[n.name]["parameters"] for n in graph if _weights(graph, n) == "trained")
    console.print(f"\ntrained  {trained:,} parameters; evaluation takes `{graph.represent}`")
    if graph.train:
        train = graph.train
        console.print(
            f"train    {train.optimizer}, peak lr {train.peak_lr():g} at batch {train.batch_size}, "
            f"{train.epochs:g} epochs, {train.precision}"
        )


def _op(node: Node) -> str:
    words = [node.op.name, *([f"of {node.of}"] if node.of else [])]
    words += [str(node.attrs["arch"])] if "arch" in node.attrs else []
    words += [str(node.attrs["dims"])] if "dims" in node.attrs else []
    words += [f"{node.attrs['size']} rows"] if node.kind == "state" and "size" in node.attrs else []
    if "momentum" in node.attrs:
        momentum = node.attrs["momentum"]
        words.append(f"m {momentum if isinstance(momentum, Schedule) else f'{momentum:g}'}, {node.attrs['update']}")
    return " ".join(words)


def _weights(graph: Graph, node: Node) -> str:
    if node.kind == "module":
        return "trained"
    if node.op.observer:
        return "observes"
    if node.kind == "link":
        return {"share": f"those of {graph.module_of(node).name}", "ema": "slow copy", "frozen": "frozen"}[node.op.name]
    return {"state": "state"}.get(node.kind, "")


def _shapes(shapes: Any) -> str:
    """`2 × [b 256]`: how many tensors, and their shape."""
    words = [f"[{' '.join(map(str, shape))}]" for shape in shapes]
    runs = list(dict.fromkeys(words))
    return ", ".join(f"{words.count(word)} × {word}" if words.count(word) > 1 else word for word in runs)
