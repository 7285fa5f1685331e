"""`show`: a method as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from graphssl.cli.facts import method_facts
from graphssl.ir.graph import Node
from graphssl.language.schedule import Schedule
from graphssl.pipeline import Method


def method_table(method: Method) -> None:
    """Print nodes with what they hold and cost, the groups of the optimizer, and schedules."""
    graph = method.checked_graph()
    facts = method_facts(graph)
    console = Console(highlight=False)
    rows = []
    for node in graph:
        own = facts["nodes"][node.name]
        shapes = "; ".join(_shapes(shapes) for shapes in own["outputs"].values())
        takes = ", ".join(own["takes"])
        count = f"{own['parameters']:,}" if own["parameters"] else ""
        size, flops = in_bytes(own["state_bytes"]), in_thousands(own["flops_per_image"])
        rows.append((node.name, _op(node), takes, shapes, count, own["weights"], size, flops))
    columns = ("node", "op", "takes", "gives", "parameters>", "weights", "state>", "FLOPs>")
    console.print(table(graph.title, columns, rows))
    total = facts["total"]
    copies = "".join(
        f", {total[kind]:,} {word}" for kind, word in (("ema", "in slow copies"), ("frozen", "frozen")) if total[kind]
    )
    console.print(f"\ntrained  {total['trained']:,} parameters{copies}; evaluation takes `{graph.represent}`")
    console.print(
        f"state    {in_bytes(total['state_bytes']) or 'none'} beside them; "
        f"{in_thousands(total['flops_per_image']) or 'no'} FLOPs an image, forward, all views"
    )
    if graph.train:
        train = graph.train
        share = f" of {train.images:.4g} of the images" if train.images < 1 else ""
        console.print(
            f"train    {train.optimizer}, peak lr {train.peak_lr():g} at batch {train.batch_size}, "
            f"{train.epochs:g} epochs{share}, {train.precision}\n"
        )
        groups = [
            (g["name"], str(g["tensors"]), f"{g['parameters']:,}", " ".join(g["nodes"]), " ".join(g["kinds"]),
             f"{g['weight_decay']:g}", " to ".join(f"{scale:g}" for scale in dict.fromkeys(g["lr_scale"])))
            for g in facts["groups"]
        ]  # fmt: skip
        console.print(table("", ("group", "tensors>", "parameters>", "nodes", "named", "decay>", "lr ×>"), groups))
    schedules = [(name, *(f"{value:.4g}" for value in values)) for name, values in facts["schedules"].items()]
    if schedules:
        console.print()
        console.print(table("", ("schedule", "start>", "10 %>", "end>"), schedules))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; columns that end in `>` are set right, columns without a value left out."""
    table = Table(
        title=escape(title) or None,
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    used = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    for i in used:
        table.add_column(
            columns[i].removesuffix(">"), justify="right" if columns[i].endswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(escape(row[i]) for i in used))
    return table


def _op(node: Node) -> str:
    words = [node.op.name, *([f"of {node.of}"] if node.of else [])]
    words += [str(node.attrs["arch"])] if "arch" in node.attrs else []
    words += [str(node.attrs["dims"])] if "dims" in node.attrs else []
    words += [f"{node.attrs['size']} rows"] if node.kind == "state" and "size" in node.attrs else []
    words += [f"from {node.attrs['from']}"] if node.attrs.get("from") and "/" not in node.name else []
    if "momentum" in node.attrs:
        momentum = node.attrs["momentum"]
        words.append(f"m {momentum if isinstance(momentum, Schedule) else f'{momentum:g}'}")
        words += [str(node.attrs["update"])] if "update" in node.attrs else []
    return " ".join(words)


def _shapes(shapes: Any) -> str:
    """`2 × [b 256]`: how many tensors, and their shape."""
    words = [f"[{' '.join(map(str, shape))}]" for shape in shapes]
    runs = list(dict.fromkeys(words))
    return ", ".join(f"{words.count(word)} × {word}" if words.count(word) > 1 else word for word in runs)


_BYTES: Mapping[str, int] = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
_COUNTS: Mapping[str, int] = {"T": 10**12, "G": 10**9, "M": 10**6, "k": 10**3}


def in_bytes(size: int) -> str:
    """`1.5 MiB`; nothing for 0."""
    unit = next((unit for unit, scale in _BYTES.items() if size >= scale), None)
    return f"{size / _BYTES[unit]:.3g} {unit}" if unit else ""


def in_thousands(number: int) -> str:
    """`2.5 G`; nothing for 0."""
    unit = next((unit for unit, scale in _COUNTS.items() if number >= scale), None)
    return f"{number / _COUNTS[unit]:.3g} {unit}" if unit else str(number or "")
