"""How long drawing takes: the command for each bundled method, and graphs of growing size.

    python benchmarks/drawing.py [--repeats 5]

The first table times whole processes (`graphssl viz METHOD -o FILE`), the second `draw` on random graphs, without start-up.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

import graphssl
from graphssl.bundled import method_files
from graphssl.views.svg import svg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "views"))
from random_methods import random_graph

FORMATS = ("svg", "html", "png")


def command_seconds(method: str, format: str, repeats: int) -> float:
    """Median wall time of `graphssl viz`."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "graphssl", "viz", method, "-o", f"{folder}/drawing.{format}"]
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def drawing_seconds(nodes: int) -> tuple[float, float]:
    """Seconds to read and check a random graph, and to place and draw it."""
    text = random_graph(5, nodes - 8)
    begun = time.perf_counter()
    drawing = graphssl.draw(text)
    read = time.perf_counter() - begun
    svg(drawing.scene)
    return read, time.perf_counter() - begun - read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    console = Console()
    table = Table("method", *(f".{format}, s" for format in FORMATS), title="graphssl viz METHOD -o FILE")
    for method in track(list(method_files()), transient=True):
        table.add_row(method, *(f"{command_seconds(method, f, arguments.repeats):.2f}" for f in FORMATS))
    console.print(table)
    table = Table("nodes", "read, s", "place and draw, s", title="random graphs")
    for nodes in (20, 100, 200):
        table.add_row(str(nodes), *(f"{seconds:.2f}" for seconds in drawing_seconds(nodes)))
    console.print(table)


if __name__ == "__main__":
    main()
