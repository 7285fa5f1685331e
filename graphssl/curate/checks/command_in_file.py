"""A file that would run a command."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.curate.flow import EXAMPLE
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

_REST = "  manifest: {op: manifest, in: [more, pool, flowers]}\n"

EXPLAIN = Explanation(
    "command-in-file",
    "the images of a curation are to come out of a command that stands in the file",
    "A file never runs anything: it may be somebody else's. What you type yourself does: `graphssl shard 'wds:pipe:COMMAND' -o FOLDER`.",
    f'{EXAMPLE}  more: {{op: images, data: "wds:pipe:cat more.tar"}}\n{_REST}',
    f'{EXAMPLE}  more: {{op: images, data: "wds:more.tar"}}\n{_REST}',
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph.sources():
        data = node.attrs.get("data") or ""
        written = node.place("data")
        kind, _, rest = data.partition(":")
        if kind.startswith("wds") and rest.startswith("pipe:") and written.source.name != "--set":
            message = f"`{node.name}` names a command, and a file does not run commands"
            help = f"write its images into shards first: graphssl shard '{data}' -o FOLDER"
            yield Finding("command-in-file", message, written, node=node.name, help=help)
