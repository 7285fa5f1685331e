"""`${name}` -> the value of a parameter, `${schedules.name}` -> a shared schedule. Names only: nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping as ABCMapping
from dataclasses import replace

from graphssl.language.diagnostics import Finding, GraphError, did_you_mean
from graphssl.language.fields import Leaf, Report
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree, plain, shown

_NAME = re.compile(r"\$\{([^{}]*)\}")
_PARAM_KEYS = ("default", "min", "max", "choices", "doc")
_MAX_VALUES = 200_000


def substitute(tree: Tree, scope: ABCMapping[str, Tree], report: Report, strict: bool = True) -> Tree:
    """`tree` with every `${name}` replaced from `scope`; with `strict`, an unknown name is reported."""
    return _Substitution(scope, report, strict).tree(tree)


class _Substitution:
    def __init__(self, scope: ABCMapping[str, Tree], report: Report, strict: bool):
        self.scope, self.report, self.strict = scope, report, strict
        self.made = 0

    def tree(self, tree: Tree) -> Tree:
        self.made += 1
        if self.made > _MAX_VALUES:
            raise GraphError([Finding("too-many-values", "`${}` makes the file grow beyond bounds", tree.span)])
        match tree:
            case Scalar(value=str(value)) if "${" in value:
                return self.scalar(tree, value)
            case Sequence():
                return replace(tree, items=tuple(self.tree(item) for item in tree.items))
            case Mapping():
                entries = {e.key: Entry(e.key, e.key_span, self.tree(e.value)) for e in tree}
                return replace(tree, entries=entries)
        return tree

    def scalar(self, tree: Scalar, value: str) -> Tree:
        whole = _NAME.fullmatch(value)
        if whole:
            found = self.scope.get(whole[1].strip())
            if found is None:
                self.unknown(tree, whole[1].strip())
                return tree
            return found
        parts = []
        for name in _NAME.findall(value):
            found = self.scope.get(name.strip())
            if found is None:
                self.unknown(tree, name.strip())
                return tree
            if not isinstance(found, Scalar):
                message = f"`{name}` is {shown(found)} and cannot stand inside a text"
                self.report(Finding("wrong-type", message, tree.span, help=f"write `${{{name}}}` alone"))
                return tree
            parts.append(found.text)
        if _NAME.sub("", value).count("${"):
            self.report(Finding("unknown-param", f"`{value}` has a `${{` that is not closed", tree.span))
            return tree
        rest = iter(parts)
        text = _NAME.sub(lambda match: next(rest), value)
        return Scalar(text, tree.span, text)

    def unknown(self, tree: Scalar, name: str) -> None:
        if self.strict:
            message = f"`${{{name}}}` names no parameter"
            self.report(Finding("unknown-param", message, tree.span, help=did_you_mean(name, self.scope, "parameter")))


def resolve_params(tree: Mapping, report: Report) -> dict[str, Tree]:
    """Everything `${}` may name in this file: parameters by name, schedules as `schedules.name`."""
    scope = param_values(tree.get("params"), report)
    for _ in range(len(scope)):  # parameters may name parameters
        scope = {name: substitute(value, scope, report, strict=False) for name, value in scope.items()}
    for name, value in scope.items():
        if isinstance(value, Scalar) and isinstance(value.value, str) and f"${{{name}}}" in value.value:
            report(Finding("param-cycle", f"parameter `{name}` is defined by itself", value.span))
    schedules = tree.get("schedules")
    if isinstance(schedules, Mapping):
        for entry in schedules:
            scope[f"schedules.{entry.key}"] = substitute(entry.value, dict(scope), report)
    return scope


def param_values(params: Tree | None, report: Report) -> dict[str, Tree]:
    """Each parameter's value; the long form `{default, min, max, choices, doc}` is checked here."""
    values: dict[str, Tree] = {}
    for entry in params if isinstance(params, Mapping) else ():
        value = entry.value
        if isinstance(value, Mapping):
            found = _long_form(entry.key, value, report)
            if found is None:
                continue
            value = found
        values[entry.key] = value
    return values


def _long_form(name: str, tree: Mapping, report: Report) -> Tree | None:
    for entry in tree:
        if entry.key not in (*_PARAM_KEYS, "value"):
            help = did_you_mean(entry.key, _PARAM_KEYS)
            report(Finding("unknown-key", f"parameter `{name}` has no key `{entry.key}`", entry.key_span, help=help))
    value = tree.get("value") or tree.get("default")
    if value is None:
        report(Finding("missing-key", f"parameter `{name}` lacks `default`", tree.span, help="add `default: …`"))
        return None
    schema: dict[str, object] = {}
    words = "a value"
    low, high, choices = (plain(t) if (t := tree.get(key)) is not None else None for key in ("min", "max", "choices"))
    if choices is not None:
        schema["enum"], words = choices, f"one of {choices}"
    for key, bound, sign in (("minimum", low, "≥"), ("maximum", high, "≤")):
        if isinstance(bound, int | float):
            schema |= {"type": "number", key: bound}
            words = f"{'a number' if words == 'a value' else words} {sign} {bound:g}"
    Leaf(json=schema, expected=words).read(value, f"params.{name}", report)
    return value
