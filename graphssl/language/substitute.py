"""`${name}` -> the value of a parameter, `${schedules.name}` -> a shared schedule. Names only: nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as ABCMapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from graphssl.language.diagnostics import Finding, GraphError, did_you_mean
from graphssl.language.fields import Leaf, Report
from graphssl.language.limits import MAX_DEPTH, MAX_TEXT, MAX_VALUES
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree, depth, plain, shown, size, unresolved, weight

_NAME = re.compile(r"\$\{([^{}]*)\}")
_PARAM_KEYS = ("default", "min", "max", "choices", "doc")


def substitute(tree: Tree, scope: ABCMapping[str, Tree], report: Report, strict: bool = True) -> Tree:
    """`tree` with every `${name}` replaced from `scope`; with `strict`, an unknown name is reported."""
    return _Substitution(scope, report, strict).tree(tree)


class _Substitution:
    def __init__(self, scope: ABCMapping[str, Tree], report: Report, strict: bool, offered: Iterable[str] = ()):
        self.scope, self.report, self.strict = scope, report, strict
        self.offered = offered or scope
        self.made = 0
        self.sizes: dict[str, int] = {}

    def count(self, values: int, tree: Tree) -> None:
        """Note that the result grows by so many values, and stop when they are too many."""
        self.made += values
        if self.made > MAX_VALUES:
            raise GraphError([Finding("too-many-values", "`${}` makes the file grow beyond bounds", tree.span)])

    def tree(self, tree: Tree) -> Tree:
        self.count(1, tree)
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
            name = whole[1].strip()
            if name not in self.sizes:
                self.sizes[name] = size(found)
            self.count(self.sizes[name], tree)
            return found
        if _NAME.sub("", value).count("${"):
            if self.strict:
                message = f"{shown(tree)} has a `${{` that is not closed"
                self.report(Finding("unknown-param", message, tree.span, help="close it with `}`"))
            return tree
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
        rest = iter(parts)
        text = _NAME.sub(lambda match: next(rest), value)
        if len(text) > MAX_TEXT:
            raise GraphError([Finding("too-many-values", "`${}` makes a text grow beyond bounds", tree.span)])
        self.count(weight(text), tree)
        return Scalar(text, tree.span, text)

    def unknown(self, tree: Scalar, name: str) -> None:
        if self.strict:
            message = f"`${{{name}}}` names no parameter"
            self.report(
                Finding("unknown-param", message, tree.span, help=did_you_mean(name, self.offered, "parameter"))
            )


def resolve_params(tree: Mapping, report: Report) -> dict[str, Tree]:
    """Everything `${}` may name in this file: parameters by name, schedules as `schedules.name`."""
    params = params_of(tree.get("params"), report)
    known = {name: param.value for name, param in params.items()}
    scope: dict[str, Tree] = {}
    substitution = _Substitution(scope, report, strict=True, offered=known)
    order = _order(known, report)
    scope |= {name: value for name, value in known.items() if name not in order}  # as written: nothing else is known
    declared = tree.get("params")
    for entry in declared if isinstance(declared, Mapping) else ():  # one that was refused has no value to speak of
        if entry.key not in known:
            scope[entry.key] = Scalar(f"${{{entry.key}}}", entry.key_span, entry.key)
    for name in order:  # parameters may name parameters
        scope[name] = substitution.tree(known[name])
        if depth(scope[name]) > MAX_DEPTH:
            message = f"`{name}` is nested more than {MAX_DEPTH} deep"
            raise GraphError([Finding("too-deep", message, known[name].span)])
        params[name].check(f"params.{name}", scope[name], report)
    schedules = tree.get("schedules")
    if isinstance(schedules, Mapping):
        found = {f"schedules.{entry.key}": substitution.tree(entry.value) for entry in schedules}
        scope |= found
    return scope


def _order(values: ABCMapping[str, Tree], report: Report) -> list[str]:
    """Names so that each comes behind those it mentions; a circle is reported and left out."""
    needs = {name: mentions(value) & values.keys() for name, value in values.items()}
    while True:
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            circle = list(reversed(error.args[1][1:]))
            first = min(circle, key=list(values).index)
            path = " → ".join([*circle, circle[0]]) if len(circle) > 1 else ""
            message = f"parameter `{first}` is defined by itself{f': {path}' if path else ''}"
            report(Finding("param-cycle", message, values[first].span, help="give one of them a value"))
            needs = {name: needs[name] - set(circle) for name in needs if name not in circle}


def mentions(tree: Tree) -> set[str]:
    """Every name that `${}` mentions in a tree."""
    match tree:
        case Scalar(value=str(value)):
            return {name.strip() for name in _NAME.findall(value)}
        case Sequence():
            return set().union(*map(mentions, tree.items))
        case Mapping():
            return set().union(*(mentions(entry.value) for entry in tree))
    return set()


@dataclass(frozen=True)
class Param:
    """A parameter: its value as written, and the values it may have."""

    value: Tree
    limits: Leaf

    def check(self, name: str, value: Tree, report: Report) -> None:
        """Report a value outside the limits; one that names another parameter is judged when that is known."""
        if not unresolved(value):
            self.limits.read(value, name, report)


def params_of(params: Tree | None, report: Report) -> dict[str, Param]:
    """The parameters of a file or block, given as a value or in the long form `{default, min, max, choices, doc}`."""
    found: dict[str, Param] = {}
    for entry in params if isinstance(params, Mapping) else ():
        if isinstance(entry.value, Mapping):
            if param := _long_form(entry.key, entry.value, report):
                found[entry.key] = param
        else:
            found[entry.key] = Param(entry.value, Leaf())
    return found


def _long_form(name: str, tree: Mapping, report: Report) -> Param | None:
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
    if isinstance(choices, list):
        schema["enum"], words = choices, "one of " + ", ".join(f"`{choice}`" for choice in choices)
    for key, bound, sign in (("minimum", low, "≥"), ("maximum", high, "≤")):
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            schema |= {"type": "number", key: bound}
            words = f"{'a number' if words == 'a value' else words} {sign} {bound:g}"
    return Param(value, Leaf(json=schema, expected=words))
