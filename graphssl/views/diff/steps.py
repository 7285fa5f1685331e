"""Two lists of augmentation steps: which steps differ, and in what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphssl.ir.dump import shown
from graphssl.views.diff.values import arrow, entries, value_words


@dataclass(frozen=True)
class StepDiff:
    """One step that differs. change: `added`, `removed`, `changed` or `order`; detail: in what, in words."""

    name: str
    change: str
    detail: str


def is_steps(value: Any) -> bool:
    """Whether this is a list of steps, or a list of such lists (one a view)."""
    return isinstance(value, (list, tuple)) and bool(value) and (all(map(_is_step, value)) or _is_views(value))


def _is_step(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str)


def _is_views(value: Any) -> bool:
    return all(isinstance(item, (list, tuple)) and item and all(map(_is_step, item)) for item in value)


def views_of(value: Sequence[Any]) -> list[dict[str, Any]]:
    """Each view's steps by name, in order; a step that appears again is numbered."""
    lists = value if not _is_step(value[0]) else [value]
    return [_by_name(steps) for steps in lists]


def _by_name(steps: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, arguments in steps:
        key, again = name, 2
        while key in found:
            key, again = f"{name} ({again})", again + 1
        found[key] = arguments
    return found


def steps_changes(old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    """A phrase for each step that differs; of several views, with the view where not all differ alike."""
    before, after = views_of(old), views_of(new)
    if len(before) != len(after):
        yield f"{len(before)} → {len(after)} views"
    each = [[_said(step) for step in step_diffs(a, b)] for a, b in zip(before, after)]
    for phrase in dict.fromkeys(phrase for view in each for phrase in view):
        which = [str(i + 1) for i, view in enumerate(each) if phrase in view]
        yield phrase if len(which) == len(each) else f"view {', '.join(which)}: {phrase}"
    for i, view in enumerate(after[len(before) :], len(before) + 1):
        yield f"view {i}: {', '.join(view)}"


def steps_brief(old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    """Which steps differ, in the fewest words: `+ blur`, `− solarize`, `crop, jitter changed`."""
    found = [step for a, b in zip(views_of(old), views_of(new)) for step in step_diffs(a, b)]
    names = {kind: list(dict.fromkeys(s.name for s in found if s.change == kind)) for kind in ("added", "removed")}
    changed = list(dict.fromkeys(step.name for step in found if step.change == "changed"))
    signed = [f"{sign} {name}" for sign, kind in (("+", "added"), ("−", "removed")) for name in names[kind]]
    return [*signed, *([f"{', '.join(changed)} changed"] if changed else [])] or ["reordered"]


def _said(step: StepDiff) -> str:
    match step.change:
        case "added" | "removed":
            return f"{step.name} {step.change}{f' ({step.detail})' if step.detail else ''}"
    return f"{step.name} {step.detail}"


def step_diffs(old: dict[str, Any], new: dict[str, Any]) -> Iterator[StepDiff]:
    """Every step that differs between two views."""
    for name in {**old, **new}:
        if name not in new:
            yield StepDiff(name, "removed", "")
        elif name not in old:
            yield StepDiff(name, "added", _arguments(new[name]))
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            if detail := _differences(old[name], new[name]):
                yield StepDiff(name, "changed", detail)
        elif old[name] != new[name]:
            yield StepDiff(name, "changed", arrow(old[name], new[name]))
    mine, theirs = [n for n in old if n in new], [n for n in new if n in old]
    if mine != theirs:
        yield StepDiff("in the order", "order", ", ".join(new))


def _differences(old: dict[str, Any], new: dict[str, Any]) -> str:
    return ", ".join(f"{key} {said}" for key, said in entries(old, new)) if shown(old) != shown(new) else ""


def _arguments(value: Any) -> str:
    """The arguments of a step in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_words(item)}" for key, item in value.items())
    return value_words(value)
