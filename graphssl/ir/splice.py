"""`{op: frozen, of: NODE, from: RUN, in: IMAGE}` -> the run's own nodes from the image to NODE, frozen; `pretrained` likewise, trained.

They are called `instance/node`, like those of a block, and take their weights from the run, node by node.
"""

from __future__ import annotations

from collections.abc import Mapping as ABCMapping
from dataclasses import replace

from graphssl.ir.signature import Link, Op
from graphssl.language.blocks import with_nodes
from graphssl.language.diagnostics import Finding, GraphError, did_you_mean
from graphssl.language.fields import Report
from graphssl.language.resolve import resolve
from graphssl.language.runs import Origin, read_origin
from graphssl.language.spec import Ref, read_reference
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree

Registry = ABCMapping[str, type[Op]]
_KEYS = ("op", "of", "from", "in", "init")
_NOT_COPIED = ("op", "of", "in", "from", "frozen", "batch", "bn_group", "pretrained")


def splice(tree: Mapping, registry: Registry, report: Report) -> Mapping:
    """`tree` with every network that is taken from a run worked in; one that cannot be is reported and stays."""
    nodes = tree.get("nodes")
    if not isinstance(nodes, Mapping):
        return tree
    flat: dict[str, Entry] = {}
    outs: dict[str, str] = {}
    for entry in nodes:
        body = entry.value
        word = body.get("op") if isinstance(body, Mapping) else None
        op = registry.get(str(word.value)) if isinstance(word, Scalar) else None
        if isinstance(body, Mapping) and op and issubclass(op, Link) and op.from_run and "from" in body:
            made = _Network(entry, body, op, registry, report, outs).nodes()
        else:
            made = [entry]
        flat |= {each.key: each for each in made}
    return with_nodes(tree, flat, outs) if outs else tree


class _Network:
    """One such node."""

    def __init__(
        self, entry: Entry, body: Mapping, op: type[Link], registry: Registry, report: Report, outs: dict[str, str]
    ):
        self.entry, self.body, self.op, self.registry, self.outs = entry, body, op, registry, outs
        self.report: Report = lambda finding: report(replace(finding, node=entry.key))

    @property
    def copies(self) -> bool:
        """Whether weights are the run's."""
        init = self.body.get("init")
        return init is None or self.op.attrs["init"].read(init, "init", self.report) != "random"

    def nodes(self) -> list[Entry]:
        """The nodes that take its place, or itself after saying why not."""
        return self.made() or [self.entry]

    def made(self) -> list[Entry] | None:
        body, given, of = self.body, self.body.get("from"), self.body.get("of")
        for needed, what in (("of", "a node of the run"), ("in", "the images it sees")):
            if needed not in body:
                message = f"`{self.op.name}` lacks `{needed}`, {what}"
                self.report(Finding("missing-key", message, self.entry.key_span, help=f"add `{needed}: NODE`"))
                return None
        if not isinstance(given, Scalar) or not isinstance(given.value, str):
            self.report(Finding("wrong-type", "`from` expects a run folder", body.span, help="write `from: RUN`"))
            return None
        assert of is not None
        ref = read_reference(of, self.report)
        origin = read_origin(given.value, self.entry.key, given.span, self.report)
        if ref is None or origin is None:
            return None
        if origin.file:
            message = f"`{origin.place}` holds weights, and a `{self.op.name}` network needs the structure, too"
            help = (
                f"make a run of it with `graphssl import {origin.file.name} --as METHOD -o RUN`, and write `from: RUN`"
            )
            self.report(Finding("no-such-run", message, given.span, help=help))
            return None
        try:
            tree = resolve(origin.reference, (), lambda finding: None)
        except GraphError as error:
            reason = error.findings[0].message
            self.report(Finding("no-such-run", f"`{origin.place}` cannot be read: {reason}", given.span))
            return None
        theirs = tree.get("nodes")
        return self.chain(theirs, ref, origin) if isinstance(theirs, Mapping) else None

    def chain(self, theirs: Mapping, ref: Ref, origin: Origin) -> list[Entry] | None:
        """The nodes from the image to `ref`, each with its one input."""
        made: list[Entry] = []
        out = self.inner(ref)
        while True:
            found = self.found(theirs, ref.node, ref, origin)
            if found is None:
                return None
            entry, body, op = found
            if op.kind == "source":
                break
            node, owner = body, entry.key
            if op.kind == "link":
                root = self.root(theirs, entry.key, ref, origin)
                if root is None:
                    return None
                name, node, root_op = root
                owner = name if op.name == "share" else owner
                own = {e.key: e for e in body if e.key in root_op.attrs}
                node, op = replace(node, entries={**node.entries, **own}), root_op
            if op.kind not in ("module", "pure"):
                what = "remembers other images" if op.kind == "state" else "is a loss"
                return self.no_path(ref, origin, f"`{entry.key}` {what}")
            if not made:
                node = self.changed(node, op)
            before = _single(body.get("in"))
            step = read_reference(before, lambda finding: None) if before is not None else None
            if step is None:
                return self.no_path(ref, origin, f"`{entry.key}` has not one input")
            made.append(self.copied(entry, node, op, step, f"{origin.place}:{owner}"))
            ref = step
        if not made:
            return self.no_path(ref, origin, "it is an image")
        given = self.body.get("in")
        assert given is not None and isinstance(made[-1].value, Mapping)
        made[-1] = replace(made[-1], value=made[-1].value.with_value("in", given))
        self.outs[self.entry.key] = out
        return made[::-1]

    def changed(self, node: Mapping, op: type[Op]) -> Mapping:
        """The node that `of` names, with what is written here over its attributes; a frozen network takes none."""
        allowed = op.attrs if self.op.trained else {}
        for key in self.body.without(*_KEYS):
            if key.key in allowed:
                node = node.with_value(key.key, key.value, key.key_span)
                continue
            message = f"a `{self.op.name}` network of a run has no key `{key.key}`"
            help = did_you_mean(key.key, [*_KEYS, *allowed], "key")
            self.report(Finding("unknown-key", message, key.key_span, help=help))
        return node

    def copied(self, entry: Entry, node: Mapping, op: type[Op], before: Ref, weights: str) -> Entry:
        span = self.body.entries["from"].value.span

        def word(text: str) -> Scalar:
            return Scalar(text, span, text)

        body = replace(node, entries={"op": Entry("op", span, word(op.name))}).with_value(
            "in", word(self.inner(before))
        )
        for each in node.without(*_NOT_COPIED):
            body = body.with_value(each.key, each.value, each.key_span)
        if op.kind == "module" and self.copies:
            body = body.with_value("from", word(weights))
        if op.kind == "module" and not self.op.trained:
            body = body.with_value("frozen", Scalar(True, span, "true"))
        return Entry(self.inner(Ref(entry.key, None, span)), self.entry.key_span, body)

    def inner(self, ref: Ref) -> str:
        """What a reference of the run is called here."""
        name = f"{self.entry.key}/{ref.node.replace('/', '_')}"
        return f"{name}.{ref.port}" if ref.port else name

    def found(self, theirs: Mapping, name: str, ref: Ref, origin: Origin) -> tuple[Entry, Mapping, type[Op]] | None:
        entry = theirs.entries.get(name)
        body = entry.value if entry else None
        word = body.get("op") if isinstance(body, Mapping) else None
        op = self.registry.get(str(word.value)) if isinstance(word, Scalar) else None
        if entry and op and isinstance(body, Mapping):
            return entry, body, op
        help = did_you_mean(name, theirs.entries, "node")
        self.report(Finding("not-in-run", f"`{origin.place}` has no node `{name}`", ref.span, help=help))
        return None

    def root(self, theirs: Mapping, name: str, ref: Ref, origin: Origin) -> tuple[str, Mapping, type[Op]] | None:
        """The module whose structure the link `name` has."""
        for _ in theirs:
            found = self.found(theirs, name, ref, origin)
            if found is None or found[2].kind != "link":
                return (name, *found[1:]) if found else None
            of = found[1].get("of")
            name = str(of.value) if isinstance(of, Scalar) else ""
        return None

    def no_path(self, ref: Ref, origin: Origin, why: str) -> list[Entry] | None:
        message = f"`{ref}` of `{origin.place}` cannot be computed from one image: {why}"
        help = "name a node that is reached from an image through single inputs"
        self.report(Finding("not-in-run", message, ref.span, help=help))
        return None


def _single(tree: Tree | None) -> Tree | None:
    """The one input, or the first of a list of views."""
    if isinstance(tree, Mapping):
        values = [entry.value for entry in tree]
        tree = values[0] if len(values) == 1 else None
    return tree.items[0] if isinstance(tree, Sequence) and tree.items else tree
