"""Laying one located tree over another: how `extends`, `variants`, `--set` and patched recipes combine.

Maps merge key by key, anything else is replaced; `null` deletes; `$replace: true` in a map takes it whole.
"""

from __future__ import annotations

from dataclasses import replace

from graphssl.language.diagnostics import Finding, closest
from graphssl.language.fields import Report
from graphssl.language.tree import Entry, Mapping, Scalar, Tree

_PATCHES_LATER = ("steps",)  # of a node with a recipe: a patch of steps that are not here yet


def merge(base: Mapping, patch: Mapping, report: Report) -> Mapping:
    """`base` with `patch` over it. Every piece keeps the span of the text that set it."""
    if _replaces(patch):
        return merge(replace(base, entries={}), patch.without("$replace"), report)
    merged = dict(base.entries)
    later = _PATCHES_LATER if any(key in base or key in patch for key in ("recipe", "like", "views")) else ()
    for entry in patch:
        if entry.key == "$replace":
            continue
        old = merged.get(entry.key)
        if entry.key in later and isinstance(entry.value, Mapping):
            below = old.value if old and isinstance(old.value, Mapping) else replace(entry.value, entries={})
            merged[entry.key] = Entry(entry.key, entry.key_span, stacked(below, entry.value))
            continue
        if isinstance(entry.value, Scalar) and entry.value.value is None:
            if old is None:
                report(_deletes_nothing(entry, base))
            merged.pop(entry.key, None)
        elif isinstance(entry.value, Mapping):
            below = old.value if old and isinstance(old.value, Mapping) else replace(entry.value, entries={})
            key_span = entry.key_span if old is None or _replaces(entry.value) else old.key_span
            merged[entry.key] = Entry(entry.key, key_span, merge(below, entry.value, report))
        else:
            merged[entry.key] = entry
    return replace(base, entries=merged)


def flattened(tree: Mapping, report: Report) -> Mapping:
    """A tree that lies over nothing: its own `$replace` and `null` keys taken out."""
    return merge(replace(tree, entries={}), tree, report)


def stacked(base: Mapping, patch: Mapping) -> Mapping:
    """Two patches as one: what `base` and then `patch` would do, with `null` and `$replace` kept to take effect later."""
    if _replaces(patch):
        return patch
    entries = dict(base.entries)
    for entry in patch:
        old = entries.get(entry.key)
        if old and isinstance(old.value, Mapping) and isinstance(entry.value, Mapping):
            entries[entry.key] = Entry(entry.key, old.key_span, stacked(old.value, entry.value))
        else:
            entries[entry.key] = entry
    return replace(base, entries=entries)


def merge_variants(ours: Mapping, theirs: Mapping, report: Report) -> Mapping:
    """Inherited variants with a child's over them: `null` takes one away, `$replace: true` takes nothing over from it."""
    entries = dict(ours.entries)
    for entry in theirs:
        old, new = entries.get(entry.key), entry.value
        if isinstance(new, Scalar) and new.value is None:
            if old is None:
                report(_deletes_nothing(entry, ours))
            entries.pop(entry.key, None)
        elif old and isinstance(old.value, Mapping) and isinstance(new, Mapping) and not _replaces(new):
            entries[entry.key] = Entry(entry.key, old.key_span, stacked(old.value, new))
        else:
            entries[entry.key] = replace(entry, value=new.without("$replace") if isinstance(new, Mapping) else new)
    return replace(ours, entries=entries)


def _replaces(tree: Tree) -> bool:
    mark = tree.get("$replace") if isinstance(tree, Mapping) else None
    return isinstance(mark, Scalar) and mark.value is True


def _deletes_nothing(entry: Entry, base: Mapping) -> Finding:
    near = closest(entry.key, base.entries)
    help = f"write `{near}: null` to delete that" if near else "give it a value, or remove it"
    return Finding(
        "deletes-nothing", f"`{entry.key}` is empty, and there is nothing it could delete", entry.key_span, help=help
    )
