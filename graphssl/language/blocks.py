"""`blocks:` — parametric sub-graphs. A node `{block: name, in: …, param: value}` becomes the block's nodes.

A block is `{params, inputs, nodes, out}`: its nodes name its inputs like nodes; `out` is what the node's own name means
outside. Inner nodes are called `instance/node`, in references, errors and checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphssl.language.diagnostics import Finding, GraphError, did_you_mean
from graphssl.language.fields import Report
from graphssl.language.limits import MAX_NODES, MAX_VALUES
from graphssl.language.substitute import params_of, substitute
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree, shown, size

BLOCK_KEYS = ("doc", "params", "inputs", "nodes", "out")
REFERENCE_KEYS = ("in", "of", "like")


def expand_blocks(tree: Mapping, report: Report) -> Mapping:
    """`tree` with every block instance in `nodes` replaced by the block's nodes."""
    nodes = tree.get("nodes")
    if not isinstance(nodes, Mapping):
        return tree
    given = tree.get("blocks")
    blocks = given if isinstance(given, Mapping) else Mapping({}, tree.span)
    flat: dict[str, Entry] = {}
    outs: dict[str, str] = {}
    values = 0
    sizes = {block.key: size(block.value) for block in blocks}
    for entry in nodes:
        if isinstance(entry.value, Mapping) and "block" in entry.value:
            named = entry.value.get("block")
            values += sizes.get(str(named.value), 0) if isinstance(named, Scalar) else 0
            for inner in _instance(entry, entry.value, blocks, outs, report) if values <= MAX_VALUES else ():
                flat[inner.key] = inner
                values += size(inner.value)
            if values > MAX_VALUES:
                raise GraphError([Finding("too-many-values", "blocks make the file grow beyond bounds", nodes.span)])
            if len(flat) > MAX_NODES:
                raise GraphError([Finding("too-many-nodes", f"blocks make more than {MAX_NODES:,} nodes", nodes.span)])
        else:
            flat[entry.key] = entry
    return with_nodes(tree, flat, outs) if outs else tree


def with_nodes(tree: Mapping, flat: dict[str, Entry], outs: dict[str, str]) -> Mapping:
    """`tree` with the nodes `flat`; where a name of `outs` is referred to, the inner node it means."""
    nodes = tree.get("nodes")
    assert isinstance(nodes, Mapping)
    renamed = {key: replace(e, value=rename(e.value, lambda word: _outer(word, outs))) for key, e in flat.items()}
    tree = tree.with_value("nodes", replace(nodes, entries=renamed))
    for key in ("represent", "monitors"):
        value = tree.get(key)
        if value is not None:
            tree = tree.with_value(key, _words(value, lambda word: _outer(word, outs)))
    return tree


def rename(node: Tree, change: Callable[[str], str]) -> Tree:
    """A node's map with `change` applied to every node it refers to."""
    if not isinstance(node, Mapping):
        return node
    for key in REFERENCE_KEYS:
        value = node.get(key)
        if value is not None:
            node = node.with_value(key, _words(value, change))
    return node


def _words(tree: Tree, change: Callable[[str], str]) -> Tree:
    match tree:
        case Scalar(value=str(word)):
            return replace(tree, value=change(word), text=change(word))
        case Sequence():
            return replace(tree, items=tuple(_words(item, change) for item in tree.items))
        case Mapping():
            return replace(tree, entries={e.key: replace(e, value=_words(e.value, change)) for e in tree})
    return tree


def _outer(word: str, outs: dict[str, str]) -> str:
    """A reference from outside: the name of an instance means its `out` node."""
    name, dot, port = word.partition(".")
    return outs[name] + dot + port if name in outs else word


def _instance(entry: Entry, node: Mapping, blocks: Mapping, outs: dict[str, str], report: Report) -> list[Entry]:
    name = node.get("block")
    assert name is not None
    block = blocks.get(name.value) if isinstance(name, Scalar) and isinstance(name.value, str) else None
    if not isinstance(block, Mapping):
        help = did_you_mean(str(getattr(name, "value", "")), blocks.entries, "block")
        report(Finding("unknown-block", f"there is no block {shown(name)}", name.span, node=entry.key, help=help))
        return [entry]
    for key in block:
        if key.key not in BLOCK_KEYS:
            help = did_you_mean(key.key, BLOCK_KEYS)
            report(Finding("unknown-key", f"a block has no key `{key.key}`", key.key_span, help=help))
    inner, out = block.get("nodes"), block.get("out")
    if not isinstance(inner, Mapping) or not isinstance(out, Scalar) or str(out.value) not in inner:
        help = "a block is `{inputs: [x], nodes: {…}, out: NODE}`"
        report(Finding("bad-block", "a block needs `nodes`, and `out` naming one of them", block.span, help=help))
        return [entry]
    scope = _scope(entry, node, block, report)
    arguments = _arguments(entry, node, block, report)
    if arguments is None:
        return [entry]
    outs[entry.key] = f"{entry.key}/{out.value}"

    def change(word: str) -> str:
        head, dot, port = word.partition(".")
        if head in inner:
            return f"{entry.key}/{head}{dot}{port}"
        return arguments.get(head, head) + dot + port

    made = []
    for each in inner:
        if isinstance(each.value, Mapping) and "block" in each.value:
            message = "a block cannot hold another block"
            report(Finding("bad-block", message, each.key_span, help="write the inner block's nodes out"))
            continue
        body = substitute(rename(each.value, change), scope, report, strict=False)
        made.append(Entry(f"{entry.key}/{each.key}", each.key_span, body))
    return made


def _scope(entry: Entry, node: Mapping, block: Mapping, report: Report) -> dict[str, Tree]:
    declared = params_of(block.get("params"), report)
    scope = {name: param.value for name, param in declared.items()}
    for given in node:
        if given.key in ("block", "in"):
            continue
        if given.key not in declared:
            help = did_you_mean(given.key, declared, "parameter")
            message = f"the block of `{entry.key}` has no parameter `{given.key}`"
            report(Finding("unknown-key", message, given.key_span, node=entry.key, help=help))
        else:
            scope[given.key] = given.value
            declared[given.key].check(f"{entry.key}.{given.key}", given.value, report)
    return scope


def _arguments(entry: Entry, node: Mapping, block: Mapping, report: Report) -> dict[str, str] | None:
    """Which outside reference each input name of the block stands for; None when one is not given."""
    declared = block.get("inputs")
    items = declared.items if isinstance(declared, Sequence) else ()
    names = [str(item.value) for item in items if isinstance(item, Scalar)]
    given = node.get("in")
    if isinstance(given, Mapping):
        arguments = {e.key: e.value for e in given}
    else:
        arguments = {names[0]: given} if given is not None and names else {}
    found = {name: str(value.value) for name, value in arguments.items() if isinstance(value, Scalar)}
    for name in names:
        if name not in found:
            message = f"`{entry.key}` gives no single reference for the block's input `{name}`"
            report(Finding("missing-input", message, node.span, node=entry.key, help=f"write `in: {{{name}: NODE}}`"))
    for name in found:
        if name not in names:
            help = did_you_mean(name, names, "input")
            report(Finding("unknown-key", f"the block has no input `{name}`", node.span, node=entry.key, help=help))
    return found if set(names) <= found.keys() else None
