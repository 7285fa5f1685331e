"""A flat tree -> `Spec`: the frozen content of one graph file, every part with its place.

Knows the language's own keys; what a node's op allows is the business of `ir.lower`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphssl.language.diagnostics import Finding, Span
from graphssl.language.fields import Report
from graphssl.language.limits import MAX_LIST, MAX_NODES, MAX_WORD
from graphssl.language.train import Train, read_train
from graphssl.language.tree import Mapping, Scalar, Sequence, Tree, plain, shown, unresolved

VERSION = 1
_MONITOR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./]*")
_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?")
_REFERENCE = re.compile(r"(?P<node>[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?)(\.(?P<port>[A-Za-z0-9_.-]+))?")


@dataclass(frozen=True)
class Ref:
    """`f`, `f.cls` or `f.blocks.-4`: an output of a node; no port means its default one."""

    node: str
    port: str | None
    span: Span

    def __str__(self) -> str:
        return f"{self.node}.{self.port}" if self.port else self.node


@dataclass(frozen=True)
class NodeSpec:
    """One entry of `nodes`: its op by name and its unread body."""

    name: str
    span: Span
    op: str
    op_span: Span
    body: Mapping


@dataclass(frozen=True)
class Spec:
    """What one graph file says."""

    name: str
    title: str
    paper: str
    doc: str
    nodes: tuple[NodeSpec, ...]
    represent: Ref | None
    monitors: tuple[tuple[str, Ref], ...]
    train: Train | None
    tree: Mapping


def read_reference(tree: Tree, report: Report, node: str | None = None) -> Ref | None:
    """A reference to a node's output."""
    if unresolved(tree):
        return None
    text = tree.value if isinstance(tree, Scalar) else None
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_WORD else None
    if not match:
        message = f"expected a reference such as `f` or `f.cls`, got {shown(tree)}"
        report(Finding("bad-reference", message, tree.span, node=node))
        return None
    return Ref(match["node"], match["port"], tree.span)


def parse(tree: Mapping, report: Report) -> Spec:
    """The `Spec` of a resolved tree; what is wrong is reported and left out."""
    _version(tree, report)
    texts = {key: _text(tree, key, report) for key in ("name", "title", "paper", "doc")}
    name = texts["name"] or "unnamed"
    if texts["name"] is None and "name" not in tree:
        report(Finding("missing-key", "a graph lacks `name`", _top(tree), help="add `name: my_method`"))
    elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        message = "`name` must be a word of letters, digits and `_`, beginning with a letter"
        report(Finding("bad-name", message, tree.entries["name"].value.span))
    represent = tree.get("represent")
    train = tree.get("train")
    return Spec(
        name=name,
        title=texts["title"] or name,
        paper=texts["paper"] or "",
        doc=texts["doc"] or "",
        nodes=_nodes(tree, report),
        represent=read_reference(represent, report) if represent is not None else None,
        monitors=_monitors(tree, report),
        train=read_train(train, report) if train is not None else None,
        tree=tree,
    )


def _top(tree: Mapping) -> Span:
    """A place for what the file lacks: its first key."""
    return next((entry.key_span for entry in tree), tree.span)


def _version(tree: Mapping, report: Report) -> None:
    version = tree.get("graphssl")
    if version is None:
        report(Finding("missing-key", "a graph lacks `graphssl`", _top(tree), help=f"begin with `graphssl: {VERSION}`"))
    elif plain(version) != VERSION or isinstance(plain(version), bool):
        message = f"`graphssl` is the version of the language, {VERSION}, got {shown(version)}"
        report(Finding("wrong-version", message, version.span, help=f"write `graphssl: {VERSION}`"))


def _text(tree: Mapping, key: str, report: Report) -> str | None:
    value = tree.get(key)
    if value is None:
        return None
    if isinstance(value, Scalar) and value.value is not None:
        return value.text
    report(Finding("wrong-type", f"`{key}` expects a text, got {shown(value)}", value.span))
    return None


def _nodes(tree: Mapping, report: Report) -> tuple[NodeSpec, ...]:
    nodes = tree.get("nodes")
    if nodes is None:
        report(Finding("missing-key", "a graph lacks `nodes`", _top(tree), help="add `nodes:` with one node a line"))
        return ()
    if not isinstance(nodes, Mapping):
        report(Finding("wrong-type", f"`nodes` expects a map, got {shown(nodes)}", nodes.span))
        return ()
    if not nodes.entries:
        report(Finding("missing-key", "`nodes` is empty", nodes.span, help="add at least an `augment` and a loss"))
    if len(nodes.entries) > MAX_NODES:
        message = f"a graph has at most {MAX_NODES:,} nodes, got {len(nodes.entries):,}"
        report(Finding("too-many-nodes", message, nodes.span))
        return ()
    found = [_node(entry.key, entry.key_span, entry.value, report) for entry in nodes]
    return tuple(node for node in found if node)


def _node(name: str, span: Span, body: Tree, report: Report) -> NodeSpec | None:
    if not _NODE_NAME.fullmatch(name) or len(name) > MAX_WORD:
        message = f"`{name[:MAX_WORD]}` is no name for a node"
        help = f"use letters, digits and `_`, beginning with a letter, at most {MAX_WORD} of them"
        report(Finding("bad-name", message, span, help=help))
        return None
    if not isinstance(body, Mapping):
        message = f"node `{name}` expects a map such as `{{op: encoder, in: v1}}`, got {shown(body)}"
        report(Finding("wrong-type", message, body.span, node=name))
        return None
    op = body.get("op")
    if op is None and "block" in body:  # a block that could not be worked in, which was reported
        return None
    if op is None:
        report(Finding("missing-key", f"node `{name}` lacks `op`", span, node=name, help="add `op: …`"))
        return None
    if not isinstance(op, Scalar) or not isinstance(op.value, str):
        message = f"`op` expects the name of an op, got {shown(op)}"
        report(Finding("wrong-type", message, op.span, node=name))
        return None
    return NodeSpec(name, span, op.value, op.span, body)


def _monitors(tree: Mapping, report: Report) -> tuple[tuple[str, Ref], ...]:
    monitors = tree.get("monitors")
    if monitors is None:
        return ()
    if isinstance(monitors, Sequence):
        help = "give each a name: `monitors: {accuracy: probe.accuracy}`"
        report(Finding("wrong-type", "`monitors` expects a map, got a list", monitors.span, help=help))
        return ()
    if not isinstance(monitors, Mapping):
        report(Finding("wrong-type", f"`monitors` expects a map, got {shown(monitors)}", monitors.span))
        return ()
    if len(monitors.entries) > MAX_LIST:
        message = f"`monitors` holds at most {MAX_LIST}, got {len(monitors.entries):,}"
        report(Finding("wrong-value", message, monitors.span))
        return ()
    for entry in monitors:
        if not _MONITOR_NAME.fullmatch(entry.key):
            message = f"`{entry.key[:MAX_WORD]}` is no name for a monitor"
            help = "use letters, digits, `_`, `.` and `/`, beginning with a letter"
            report(Finding("bad-name", message, entry.key_span, help=help))
    pairs = [(entry.key, read_reference(entry.value, report)) for entry in monitors]
    return tuple((key, ref) for key, ref in pairs if ref)
