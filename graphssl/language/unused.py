"""What a file declares and nothing mentions: parameters, schedules, blocks.

A name counts as mentioned wherever it stands: in a parent, in a variant that was not chosen, in another declaration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphssl.language.diagnostics import Finding, Span
from graphssl.language.substitute import mentions
from graphssl.language.tree import Mapping, Scalar, Sequence, Tree


def unused(tree: Mapping, layers: Iterable[Tree]) -> Iterator[Finding]:
    """Findings for the declarations of the merged `tree`, given every text that was laid into it."""
    layers = list(layers)
    blocks, schedules, params = (_names(tree.get(key)) for key in ("blocks", "schedules", "params"))
    declared_blocks = tree.get("blocks")
    for block in declared_blocks if isinstance(declared_blocks, Mapping) else ():
        params |= _names(block.value.get("params")) if isinstance(block.value, Mapping) else {}
    instanced = set().union(*map(_instanced, layers))
    if instanced <= blocks.keys():  # otherwise one name was misspelt, which is a finding already
        for name in blocks.keys() - instanced:
            help = f"write `block: {name}` in a node, or remove it"
            yield Finding(
                "unused-block", f"no node is an instance of block `{name}`", blocks[name], "warning", help=help
            )
    declared = {**{f"schedules.{name}": span for name, span in schedules.items()}, **params}
    named = set().union(*map(mentions, layers))
    if named <= declared.keys():
        for name in declared.keys() - named:
            kind, _, short = name.rpartition(".")
            code, what = ("unused-schedule", "schedule") if kind else ("unused-param", "parameter")
            help = f"write `${{{name}}}` where it is meant, or remove it"
            yield Finding(code, f"nothing mentions {what} `{short}`", declared[name], "warning", help=help)


def _names(tree: Tree | None) -> dict[str, Span]:
    return {entry.key: entry.key_span for entry in tree} if isinstance(tree, Mapping) else {}


def _instanced(tree: Tree) -> set[str]:
    """Every name behind a key `block`."""
    match tree:
        case Sequence():
            return set().union(*map(_instanced, tree.items))
        case Mapping():
            own = tree.get("block")
            found = {own.value} if isinstance(own, Scalar) and isinstance(own.value, str) else set()
            return found.union(*(_instanced(entry.value) for entry in tree))
    return set()
