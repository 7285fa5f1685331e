"""A diff as text: one sentence, then what was added (+), removed (−) and changed (~), in groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphssl.ir.dump import shown
from graphssl.language.train import GROUP_FIELDS
from graphssl.views.diff.compare import ABSENT, Change, Diff, NodeDiff
from graphssl.views.diff.details import (
    Row,
    arrow_diffs,
    attributes,
    change_words,
    described,
    op_words,
    rewired,
    total_words,
)
from graphssl.views.diff.sentence import sentence
from graphssl.views.diff.values import arrow, line, value_words


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
    return found or [("order", list(_order(diff, "nodes")))]


def _alike(rows: Sequence[Row]) -> list[Row]:
    """Rows that say the same of several things as one, and next to each other what is said of the same things."""
    groups: dict[tuple[str, str], list[str]] = {}
    for sign, of, what in rows:
        groups.setdefault((sign, what), []).append(of)
    joined: dict[str, list[Row]] = {}
    for (sign, what), names in groups.items():
        joined.setdefault(", ".join(names), []).append((sign, ", ".join(names), what))
    return [row for group in joined.values() for row in group]


def _aligned(rows: Sequence[Row]) -> list[str]:
    """Lines in columns; a name is not repeated below itself."""
    width = min(24, max(len(of) for _, of, _ in rows))
    before = [("", ""), *((sign, of) for sign, of, _ in rows)]
    again = [(sign, of) == last for (sign, of, _), last in zip(rows, before)]
    return [f"  {s} {'' if same else of:<{width}}  {what}".rstrip() for (s, of, what), same in zip(rows, again)]


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
    yield from (row for node in diff.nodes if node.mark == "changed" for row in rewired(node))


def _gradient(diff: Diff) -> Iterator[Row]:
    """Edges where gradient flows no longer, or now does, and where a node that became another op stops it."""
    became = {node.new for node in diff.nodes if node.old and node.new and node.change("op")}
    for each in arrow_diffs(diff):
        for note in each.notes:
            if "gradient" in note and each.new:
                yield "~", line(f"{each.new.source} → {each.new.target}"), note
        if each.old is None and each.new and each.new.stops and each.new.target in became:
            yield "+", line(f"{each.new.source} → {each.new.target}"), "gradient stops"


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
    yield from _order(diff, "groups")


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
            said = [f"{key} {value_words(v)}" for key, v in told if not _usual(key, v)]
            yield "+" if added else "−", f"group {line(name)}", ", ".join(said)
        else:
            fields = [Change(c.part, c.key.rpartition(".")[2], c.old, c.new) for c in changes]
            yield "~", f"group {line(name)}", ", ".join(p for field in fields for p in change_words(field))


def _usual(key: str, value: object) -> bool:
    """Whether a rule says nothing by this field."""
    return shown(value) == shown(GROUP_FIELDS[key].default)


def _renamed(diff: Diff) -> Iterator[Row]:
    """Nodes whose name alone differs, or differs besides."""
    pairs = [f"{line(n.old or '')} → {line(n.new or '')}" for n in diff.nodes if n.renamed and not n.change("op")]
    if pairs:
        yield "~", ", ".join(pairs), ""


def _order(diff: Diff, key: str) -> Iterator[Row]:
    """Where things stand. That of nodes follows from other changes, or is the only one."""
    for change in diff.method:
        if (change.part, change.key) == ("order", key):
            yield "~", f"order of {key}", " → ".join(", ".join(map(line, names)) for names in (change.old, change.new))
