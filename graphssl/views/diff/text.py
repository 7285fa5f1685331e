"""A diff as text: one sentence, then what was added (+), removed (−) and changed (~), in groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphssl.views.diff.compare import ABSENT, Change, Diff, NodeDiff
from graphssl.views.diff.details import arrow_diffs, attributes, change_words, described, op_words, sources, total_words
from graphssl.views.diff.sentence import sentence
from graphssl.views.diff.values import arrow, line, listed, value_words

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
Row = tuple[str, str, str]
"""Sign, what it is of, and what differs."""


def text(diff: Diff) -> str:
    """The whole diff as lines; nothing when the two are the same."""
    if not diff:
        return ""
    found = [line(" → ".join(diff.labels)), "", sentence(diff)]
    for title, rows in sections(diff):
        found += ["", title, *_aligned(_alike(rows))]
    return "\n".join(found) + "\n"


def sections(diff: Diff) -> list[tuple[str, list[Row]]]:
    """Groups of rows, by title, without the empty ones."""
    found = [
        ("nodes", list(_nodes(diff))),
        ("attributes", list(_attributes(diff))),
        ("edges", list(_edges(diff))),
        ("gradient", list(_gradient(diff))),
        ("loss", list(_losses(diff))),
        ("evaluation", list(_evaluation(diff))),
        ("recipe", list(_recipe(diff))),
        ("renamed", list(_renamed(diff))),
    ]
    found = [(title, rows) for title, rows in found if rows]
    return found or [("order", list(_order(diff)))]


def _alike(rows: Sequence[Row]) -> list[Row]:
    """Rows that say the same of several things as one row."""
    groups: dict[tuple[str, str], list[str]] = {}
    for sign, of, what in rows:
        groups.setdefault((sign, what), []).append(of)
    return [(sign, ", ".join(of), what) for (sign, what), of in groups.items()]


def _aligned(rows: Sequence[Row]) -> list[str]:
    width = min(24, max(len(of) for _, of, _ in rows))
    return [f"  {sign} {of:<{width}}  {what}".rstrip() for sign, of, what in rows]


def _nodes(diff: Diff) -> Iterator[Row]:
    """Nodes added and removed, and those that became another op."""
    for node in diff.nodes:
        if node.mark == "added":
            yield "+", line(node.new or ""), described(diff.b.nodes[node.new or ""])
        elif node.mark == "removed":
            yield "−", line(node.old or ""), described(diff.a.nodes[node.old or ""])
        elif said := op_words(diff, node):
            yield "~", called(node), said


def called(node: NodeDiff) -> str:
    """`gt → t`, or the one name."""
    return line(f"{node.old} → {node.new}" if node.renamed else node.new or node.old or "")


def _attributes(diff: Diff) -> Iterator[Row]:
    for node in diff.nodes:
        if node.mark == "changed":
            phrases = attributes(diff, node)
            yield from (("~", line(node.new or ""), phrase) for phrase in phrases)


def _edges(diff: Diff) -> Iterator[Row]:
    """Inputs of nodes in both methods that come from elsewhere."""
    for node in diff.nodes:
        inputs = [change for change in node.changes if change.part == "input"]
        if node.mark == "changed":
            yield from _rewired(line(node.new or ""), inputs, bool(node.change("op")))


def _rewired(name: str, inputs: Sequence[Change], other_op: bool) -> Iterator[Row]:
    gone = [c for c in inputs if c.new is ABSENT]
    come = [c for c in inputs if c.old is ABSENT]
    if other_op and gone and come:  # ports of another op have other names
        if [c.old for c in gone] != [c.new for c in come]:
            old, new = (", ".join(f"{c.key} {sources(v)}" for c, v in pairs) for pairs in (
                [(c, c.old) for c in gone], [(c, c.new) for c in come]))  # fmt: skip
            yield "~", name, f"{line(old)} → {line(new)}"
        inputs = [c for c in inputs if c not in gone and c not in come]
    for change in inputs:
        port = f"{name}.{line(change.key)}"
        if change.old is ABSENT:
            yield "+", port, f"takes {sources(change.new)}"
        elif change.new is ABSENT:
            yield "−", port, f"took {sources(change.old)}"
        else:
            yield "~", port, f"{sources(change.old)} → {sources(change.new)}"


def _gradient(diff: Diff) -> Iterator[Row]:
    for each in arrow_diffs(diff):
        for note in each.notes:
            if "gradient" in note and each.new:
                yield "~", line(f"{each.new.source} → {each.new.target}"), note


def _losses(diff: Diff) -> Iterator[Row]:
    old, new = total_words(diff.a, diff.merged_names()), total_words(diff.b, {})
    if old != new:
        yield "~", "total", f"{old or 'none'} → {new or 'none'}"


def _evaluation(diff: Diff) -> Iterator[Row]:
    for change in diff.method:
        if change.part == "represent":
            yield "~", "represent", " → ".join("nothing" if v is ABSENT else line(v) for v in (change.old, change.new))
        elif change.part == "monitor":
            yield _one(change, f"monitor {line(change.key)}")


def _one(change: Change, name: str) -> Row:
    sign = "+" if change.old is ABSENT else "−" if change.new is ABSENT else "~"
    return sign, name, arrow(change.old, change.new)


def _recipe(diff: Diff) -> Iterator[Row]:
    recipe = [change for change in diff.method if change.part == "recipe"]
    if diff.a.train is None or diff.b.train is None:
        if recipe:
            yield "+" if diff.b.train else "−", "train", "the whole recipe"
        return
    yield from (_one(change, line(change.key)) for change in recipe)
    yield from _groups(diff)


def _groups(diff: Diff) -> Iterator[Row]:
    """Rules for some parameters: whole ones on a line, changed ones field by field."""
    rules: dict[str, list[Change]] = {}
    for change in diff.method:
        if change.part == "group":
            rules.setdefault(change.key.rpartition(".")[0], []).append(change)
    for name, changes in rules.items():
        whole = changes[0].old is ABSENT or changes[0].new is ABSENT
        if whole:
            added = changes[0].old is ABSENT
            told = [(c.key.rpartition(".")[2], c.new if added else c.old) for c in changes]
            said = [f"{key} {value_words(v)}" for key, v in told if v not in (None, (), False, "no_grad")]
            yield "+" if added else "−", f"group {line(name)}", ", ".join(said)
        else:
            fields = [Change(c.part, c.key.rpartition(".")[2], c.old, c.new) for c in changes]
            yield "~", f"group {line(name)}", ", ".join(p for field in fields for p in change_words(field))


def _renamed(diff: Diff) -> Iterator[Row]:
    """Nodes whose name alone differs, or differs besides."""
    pairs = [f"{line(n.old or '')} → {line(n.new or '')}" for n in diff.nodes if n.renamed]
    if pairs:
        yield "~", listed(pairs) if len(pairs) < 3 else ", ".join(pairs), ""


def _order(diff: Diff) -> Iterator[Row]:
    """Where things stand; it follows from other changes, or is the only one."""
    for change in diff.method:
        if change.part == "order":
            yield "~", change.key, f"{', '.join(map(line, change.old))} → {', '.join(map(line, change.new))}"
