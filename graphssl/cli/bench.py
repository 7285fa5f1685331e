"""`bench`: what the steps of a training cost, as a table, as JSON, and on a drawing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from graphssl.cli.failures import UsageError
from graphssl.cli.run import checked, of_data
from graphssl.cli.saving import saving
from graphssl.cli.table import in_bytes, in_thousands, table
from graphssl.ir.graph import Graph
from graphssl.runtime.bench.profile import Profile, limit
from graphssl.views import PAGE, draw, renderer
from graphssl.views.measures import Measures
from graphssl.views.run import gathered

WIDE = 120
"""Characters of a line where no terminal says how many there are."""


def bench(arguments: argparse.Namespace) -> int:
    """Run some steps of the training and say what they cost."""
    if arguments.steps < 1:
        raise UsageError(f"--steps expects at least 1, got {arguments.steps}")
    if arguments.out:
        _require_format(arguments.out)  # before the time is spent
    method = checked(arguments.method, arguments.set, arguments.plugin)
    from graphssl.runtime.bench.run import bench as run
    from graphssl.runtime.options import Options

    options = Options(
        data=arguments.data,
        out="",
        steps=arguments.steps,
        device=arguments.device,
        compile=arguments.compile,
        tf32=not arguments.no_tf32,
        **of_data(arguments),
    )
    profile = run(method, options)
    if arguments.format == "json":
        print(json.dumps(profile.facts()))
    else:
        _print(profile)
    if arguments.out:
        with saving(arguments.out):
            draw(method, measures=_measures(profile, method.checked_graph()), measure="step_time").save(arguments.out)
    return 0


def _require_format(out: str) -> None:
    """Refuse a file that cannot be drawn."""
    suffix = Path(out).suffix.lower().removeprefix(".")
    try:
        if suffix != PAGE:
            renderer(suffix)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _measures(profile: Profile, graph: Graph) -> Measures:
    """What a drawing shows of the nodes. Sources have no time of their own here: their images are made beforehand, all together."""
    nodes = {
        name: {
            "step_time": node.share,
            "memory": node.bytes / 2**20,
            **({"peak_share": profile.peak_share_of(name)} if node.flops else {}),
        }
        for name, node in profile.nodes.items()
        if graph.nodes[name].kind != "source"
    }
    return gathered([(profile.steps, nodes)])


def _print(profile: Profile) -> None:
    """The table of nodes, the few numbers of the whole step, and what limits it."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    rows = [
        (name, node.op, *map(_share, (node.share, node.forward, node.backward, node.update)), in_bytes(node.kept_bytes),
         in_bytes(node.own_bytes), in_thousands(node.flops), _share(profile.peak_share_of(name)))
        for name, node in profile.nodes.items()
        if node.share >= 0.0005 or node.bytes
    ]  # fmt: skip
    others = {"(data)": profile.data, "(optimizer)": profile.optimizer, "(rest)": profile.rest}
    rows += [(word, "", _share(share), *[""] * 7) for word, share in others.items()]
    columns = ("node", "", "time>", "forward>", "backward>", "update>", "kept>", "own>", "FLOPs>", "of peak>")
    console.print(table("", columns, rows))
    p = profile
    made = f"{p.workers} workers" if p.workers else "made in the training's own process"
    made += f", views on {p.device}" if p.augment == "device" else ""
    product = (
        f"what a matrix product reaches here, {in_thousands(round(p.product_flops_per_s))}FLOPs/s in {p.precision}"
    )
    whole = f" of {in_bytes(p.device_bytes)}" if p.device_bytes else ""
    whose = "of tensors" if p.device_bytes else "of the process"
    lines = {
        "speed": f"{p.images_per_s:,.0f} images/s on {p.device}: {p.step_s:.3g} s a step of {p.batch_size} images, "
        f"the mean of {p.steps} (fastest: {p.fastest_s:.3g} s)",
        "data": f"{p.data:.1%} of the time the step waits for images ({made}{', cached' if p.cached else ''})",
        "memory": f"{in_bytes(p.peak_bytes)}{whole} at most, {whose}; kept: for the backward, own: weights, gradients, moments",
        "FLOPs": f"{in_thousands(p.flops)} a step: {p.peak_share:.0%} of {product}",
        "limit": limit(p),
    }
    console.print()
    for word, text in lines.items():
        console.print(f"{word:<8} {text}", soft_wrap=True, markup=False)


def _share(value: float) -> str:
    return f"{value:.1%}" if value >= 0.0005 else ""
