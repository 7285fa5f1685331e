"""One method reference -> one flat located tree: `extends`, `variants`, `--set`, `blocks`, `${}` and recipes worked in.

Every value keeps the span of the text that set it, so `graphssl resolve` can say where each one comes from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping as ABCMapping
from collections.abc import Sequence as ABCSequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from graphssl.bundled import curation_files, method_files
from graphssl.language.blocks import expand_blocks
from graphssl.language.diagnostics import Finding, GraphError, Source, Span, did_you_mean
from graphssl.language.fields import Report
from graphssl.language.files import read_file
from graphssl.language.limits import MAX_DEPTH, MAX_LIST, MAX_PARENTS, MAX_VARIANTS, MAX_WORD
from graphssl.language.merge import merge, merge_variants
from graphssl.language.reader import read, read_value, scalar_value
from graphssl.language.recipes import expand_recipes
from graphssl.language.substitute import resolve_params, substitute
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree, plain, shown
from graphssl.language.unused import unused

_SHARED = ("graphssl", "kind", "name", "title", "paper", "doc", "extends", "params", "blocks", "nodes", "variants")
TOP_LEVEL = {
    "method": (*_SHARED, "schedules", "represent", "monitors", "train"),
    "curation": _SHARED,
}
"""What stands at the top of a file, by its `kind`."""


def resolve(reference: str, overrides: ABCMapping[str, Any] | ABCSequence[str], report: Report) -> Mapping:
    """The flat tree of `byol`, `byol@cifar10`, `path/to.yaml@variant`, or YAML text.

    overrides: `PATH=VALUE` words as on the command line, or a map from path to Python value.
    Raises GraphError when the text cannot be read at all; everything else is reported and worked around.
    """
    source, variants = locate(reference)
    layers: list[Mapping] = []
    tree = _with_parents(read(source), source, report, (), layers)
    for variant in variants:
        tree = _with_variant(tree, variant, report, ())
    for patch in _override_patches(overrides):
        patch = _effective(patch, tree, report)
        tree = _overlay(tree, patch, report)
        layers.append(patch)
    _check_keys(tree, report)
    for finding in unused(tree, layers):
        report(finding)
    tree = expand_blocks(tree, report)
    scope = resolve_params(tree, report)
    tree = tree.without("params", "schedules", "blocks", "variants", "extends")
    whole = substitute(tree, scope, report)
    assert isinstance(whole, Mapping)
    return expand_recipes(whole, report)


def variants_of(source: Source) -> list[str]:
    """Names of the variants that a file offers, its parents' included."""
    tree = _with_parents(read(source), source, lambda finding: None, (), []).get("variants")
    return list(tree.entries) if isinstance(tree, Mapping) else []


def kind_of(tree: Mapping) -> str:
    """What a file describes: a `method`, unless it says `kind: curation`."""
    said = tree.get("kind")
    return said.value if isinstance(said, Scalar) and said.value in TOP_LEVEL else "method"  # type: ignore[return-value]


def require_kind(tree: Mapping, kind: str) -> None:
    """Refuse a file of another kind: GraphError says which command takes it."""
    if kind_of(tree) != kind:
        said = next((tree.entries[key].key_span for key in ("kind", "name") if key in tree), tree.span)
        message = f"this is a {kind_of(tree)}, and a {kind} is wanted"
        help = "give a curation to `graphssl curate`, a method to `graphssl train`"
        raise GraphError([Finding("wrong-kind", message, said, help=help)])


def kind_named(reference: str) -> str:
    """The kind of what a reference names, its parents asked, too; a method where it cannot be read."""
    try:
        source, _ = locate(reference)
        return kind_of(_with_parents(read(source), source, lambda finding: None, (), []))
    except GraphError:
        return "method"


def locate(reference: str) -> tuple[Source, list[str]]:
    """The text a method reference means, and the variants asked for behind `@`."""
    if "\n" in reference:
        return Source("<text>", reference), []
    name, *variants = _chosen(reference, None)
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or os.sep in name:
        if os.path.isfile(path / "method.yaml"):
            path = path / "method.yaml"
        return read_file(path), variants
    known = {**method_files(), **curation_files()}
    if name not in known:
        help = f"{did_you_mean(name, known)}, or give the path of a .yaml file"
        shown = name[:MAX_WORD]
        raise GraphError([Finding("unknown-method", f"there is no bundled method `{shown}`", help=help)])
    return read_file(known[name]), variants


def _chosen(reference: str, span: Span | None) -> list[str]:
    """The name in `NAME@VARIANT@…`, and the variants."""
    words = reference.split("@")
    if len(words) > MAX_PARENTS + 1:
        message = f"at most {MAX_PARENTS} variants can be laid over each other, got {len(words) - 1:,}"
        raise GraphError([Finding("unknown-variant", message, span, help="write a variant that holds them")])
    return words


def _with_parents(
    tree: Mapping, source: Source, report: Report, seen: tuple[str, ...], layers: list[Mapping]
) -> Mapping:
    """`tree` over the file it extends; every text that is read on the way is added to `layers`."""
    layers.append(tree)
    extends = tree.get("extends")
    if extends is None:
        return _overlay(replace(tree, entries={}), tree, report)
    tree = tree.without("extends")
    if not isinstance(extends, Scalar) or not isinstance(extends.value, str):
        message = f"`extends` expects one bundled name or one relative path, got {shown(extends)}"
        report(Finding("wrong-type", message, extends.span))
        return _overlay(replace(tree, entries={}), tree, report)
    name, *variants = _chosen(extends.value, extends.span)
    if len(seen) >= MAX_PARENTS or name in seen:
        message = f"`extends` goes round in a circle: {' → '.join((*seen, name))}"
        raise GraphError([Finding("extends-cycle", message, extends.span)])
    parent_source = _parent(name, source, extends.span)
    parent = _with_parents(read(parent_source), parent_source, report, (*seen, name), layers)
    for variant in variants:
        parent = _with_variant(parent, variant, report, (), extends.span)
    return _overlay(parent.without("name"), tree, report)  # another method has a name of its own


def _parent(name: str, source: Source, span: Span) -> Source:
    known = {**method_files(), **curation_files()}
    if name in known:
        return read_file(known[name])
    if name.endswith((".yaml", ".yml")) and not os.path.isabs(name):
        return read_file(Path(source.name).parent / name, span)
    message = f"`extends` names `{name}`, which is neither a bundled method nor a relative path to a .yaml file"
    raise GraphError([Finding("unknown-method", message, span, help=did_you_mean(name, known))])


def _with_variant(
    tree: Mapping, name: str, report: Report, seen: tuple[str, ...], asked: Span | None = None
) -> Mapping:
    """`tree` with a variant of its own over it; `asked` is where the variant is named."""
    variants = tree.get("variants")
    offered = variants.entries if isinstance(variants, Mapping) else {}
    if name not in offered:
        key = tree.entries["variants"].key_span if variants else None
        also = (key, "the variants are here") if key and asked else None
        known = did_you_mean(name, offered, "variant")
        report(Finding("unknown-variant", f"there is no variant `{name}`", asked or key, help=known, also=also))
        return tree
    patch = offered[name].value
    if not isinstance(patch, Mapping):
        report(Finding("wrong-type", f"variant `{name}` expects a map, got {shown(patch)}", patch.span))
        return tree
    parent = patch.get("extends")
    if parent is not None:
        if name in seen or len(seen) >= MAX_PARENTS:
            message = f"variants extend each other in a circle: {' → '.join((*seen, name))}"
            raise GraphError([Finding("extends-cycle", message, parent.span)])
        tree = _with_variant(tree, str(plain(parent)), report, (*seen, name), parent.span)
        patch = patch.without("extends")
    for entry in patch:
        if entry.key in ("variants", "graphssl"):
            report(Finding("unknown-key", f"a variant cannot set `{entry.key}`", entry.key_span, help="remove it"))
            patch = patch.without(entry.key)
    return _overlay(tree, patch, report)


def _overlay(base: Mapping, patch: Mapping, report: Report) -> Mapping:
    """`patch` over `base`; variants stack up unread, and a bare value for a parameter keeps the parameter's bounds."""
    old, new = base.get("params"), patch.get("params")
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for entry in new:
            if isinstance(old.get(entry.key), Mapping) and not isinstance(entry.value, Mapping):
                inner = Entry("value", entry.key_span, entry.value)
                new = new.with_value(entry.key, Mapping({"value": inner}, entry.value.span))
        patch = patch.with_value("params", new)
    ours, theirs = base.get("variants"), patch.get("variants")
    merged = merge(base.without("variants"), patch.without("variants"), report)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        theirs = merge_variants(ours, theirs, report)
    variants = theirs if theirs is not None else ours
    return merged if variants is None else merged.with_value("variants", variants)


def _override_patches(overrides: ABCMapping[str, Any] | ABCSequence[str]) -> list[Mapping]:
    if len(overrides) > MAX_LIST:
        message = f"at most {MAX_LIST} values can be set from outside, got {len(overrides):,}"
        raise GraphError([Finding("bad-override", message, help="write a file that `extends` the method")])
    if isinstance(overrides, ABCMapping):
        return [_patch(f"{path}={_written(str(path), value)}") for path, value in overrides.items()]
    return [_patch(word) for word in overrides]


def _written(path: str, value: Any) -> str:
    """A Python value as it would be written behind `--set PATH=` (JSON is YAML that reads back to the same)."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the value of `{path}` is no plain data: {error}"
        raise GraphError([Finding("bad-override", message, help="give numbers, texts, lists or maps")]) from None


def _effective(patch: Mapping, tree: Mapping, report: Report) -> Mapping:
    """The part of an override that has an effect; parents, variants and undeclared parameters have none."""
    for entry in patch:
        if entry.key in ("extends", "variants"):
            message = f"`{entry.key}` cannot be set from outside: it was worked in before"
            help = "set what it should change, or choose NAME@VARIANT"
            report(Finding("bad-override", message, entry.key_span, help=help))
            patch = patch.without(entry.key)
        declared = tree.get("params")
        if entry.key == "params" and isinstance(entry.value, Mapping):
            known = declared.entries if isinstance(declared, Mapping) else {}
            for param in entry.value:
                if param.key not in known:
                    help = did_you_mean(param.key, known, "parameter")
                    report(Finding("unknown-param", f"there is no parameter `{param.key}`", param.key_span, help=help))
            kept = entry.value.without(*(entry.value.entries.keys() - known.keys()))
            patch = patch.with_value("params", kept)
    return patch


def _patch(word: str) -> Mapping:
    """`nodes.q.dims=[2048, 128]` as a tree to lay over the file."""
    source = Source("--set", word)
    path, equals, text = word.partition("=")
    whole = Span(source, 1, 1, 1, len(word) + 1)
    keys = path.strip().split(".")
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        help = "write it as `nodes.f.arch=resnet18`"
        raise GraphError([Finding("bad-override", f"`--set {word}` is not of the form PATH=VALUE", whole, help=help)])
    padded = Source("--set", " " * (len(path) + 1) + text if "\n" not in text else text)
    try:
        value = _moved(read_value(padded), source) if text.strip() else Scalar("", whole, "")
    except GraphError as error:
        moved = [replace(f, span=_span_in(source, f.span) if f.span else None, also=None) for f in error.findings]
        raise GraphError(moved) from None
    for key in reversed(keys):
        value = Mapping({key: Entry(key, Span(source, 1, 1, 1, len(path) + 1), value)}, whole)
    assert isinstance(value, Mapping)
    return value


def _moved(tree: Tree, source: Source) -> Tree:
    """The tree with its spans in `source` (same columns)."""

    match tree:
        case Scalar():
            return Scalar(tree.value, _span_in(source, tree.span), tree.text)
        case Sequence():
            return Sequence(tuple(_moved(item, source) for item in tree.items), _span_in(source, tree.span))
        case Mapping():
            entries = {e.key: Entry(e.key, _span_in(source, e.key_span), _moved(e.value, source)) for e in tree}
            return Mapping(entries, _span_in(source, tree.span))


def _span_in(source: Source, span: Span) -> Span:
    return Span(source, span.line, span.column, span.end_line, span.end_column)


def _check_keys(tree: Mapping, report: Report) -> None:
    variants = tree.get("variants")
    if isinstance(variants, Mapping) and len(variants.entries) > MAX_VARIANTS:
        message = f"a file has at most {MAX_VARIANTS} variants, got {len(variants.entries):,}"
        raise GraphError([Finding("too-many-values", message, variants.span)])
    kind = kind_of(tree)
    what = "graph" if kind == "method" else kind
    for entry in tree:
        if entry.key not in TOP_LEVEL[kind]:
            help = did_you_mean(entry.key, TOP_LEVEL[kind])
            report(Finding("unknown-key", f"a {what} has no key `{entry.key}`", entry.key_span, help=help))
    said = tree.get("kind")
    if said is not None and plain(said) not in TOP_LEVEL:
        help = did_you_mean(str(plain(said)), TOP_LEVEL)
        report(Finding("wrong-value", f"`kind` is `method` or `curation`, got {shown(said)}", said.span, help=help))
    for key in ("params", "schedules", "blocks", "variants"):
        value = tree.get(key)
        if value is not None and not isinstance(value, Mapping):
            report(Finding("wrong-type", f"`{key}` expects a map, got {shown(value)}", value.span))


_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


def dump(tree: Mapping, origins: bool = False) -> str:
    """The tree as YAML text that reads back to the same values; with `origins`, a comment says who set each line."""
    lines = dumped(tree)
    if not origins:
        return "\n".join(text for text, _ in lines) + "\n"
    width = min(max((len(text) for text, _ in lines), default=0), 88)
    return "\n".join(f"{text:<{width}}  # {span.place}" for text, span in lines) + "\n"


def dumped(tree: Mapping) -> list[tuple[str, Span]]:
    """The lines of the tree as YAML, each with the place that set it."""
    lines: list[tuple[str, Span]] = []
    _dump(tree, "", lines)
    return lines


def _dump(tree: Mapping, indent: str, lines: list[tuple[str, Span]]) -> None:
    for entry in tree:
        key = _word(entry.key)
        if isinstance(entry.value, Mapping) and entry.value.entries:
            lines.append((f"{indent}{key}:", entry.key_span))
            _dump(entry.value, indent + "  ", lines)
        else:
            lines.append((f"{indent}{key}: {_flow(entry.value)}", entry.value.span))


def _flow(tree: Tree) -> str:
    match tree:
        case Scalar(value=str(value)):
            return _word(value)
        case Scalar(value=float() | int() as value) if not isinstance(value, bool):
            return repr(value)
        case Scalar():
            return {None: "null", True: "true", False: "false"}[tree.value]  # type: ignore[index]
        case Sequence():
            return f"[{', '.join(_flow(item) for item in tree.items)}]"
        case Mapping():
            return f"{{{', '.join(f'{_word(e.key)}: {_flow(e.value)}' for e in tree)}}}"


def _word(value: str) -> str:
    if _PLAIN_WORD.fullmatch(value) and isinstance(scalar_value(value), str):
        return value
    quoted = yaml.safe_dump(value, default_style='"', width=10**9, allow_unicode=True).strip()
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in quoted)
