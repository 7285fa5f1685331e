"""What the page's script reads: plain data, in which what several sheets share stands once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from graphssl.views.collapse import collapsed, foldings, groups_of, origin
from graphssl.views.escape import clean
from graphssl.views.heat import receivers
from graphssl.views.page.sheets import Attribute, Detail, Port, Sheet
from graphssl.views.scene import Arrow, Box, Scene
from graphssl.views.svg import figure

_ABOUT = ("doc", "type", "default")
"""Keys of ports and attributes that are the same for every node of an op."""


class _Table:
    """Things by number; equal ones have the same."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.numbers: dict[str, int] = {}

    def add(self, item: Any) -> int:
        number = self.numbers.setdefault(json.dumps(item), len(self.items))
        if number == len(self.items):
            self.items.append(item)
        return number


class _Payload:
    def __init__(self) -> None:
        self.figures, self.boxes, self.edges, self.details, self.texts = (_Table() for _ in range(5))
        self.drawn: dict[Scene, list[dict[str, Any]]] = {}

    def sheet(self, sheet: Sheet) -> dict[str, Any]:
        groups = groups_of(sheet.scene)
        if sheet.scene not in self.drawn:
            self.drawn[sheet.scene] = [self.drawing(sheet.scene, folding) for folding in foldings(groups)]
        return {
            "name": sheet.name,
            "title": sheet.scene.title,
            "paper": sheet.scene.paper,
            "findings": sheet.findings,
            "groups": groups,
            "folded": [group for group in groups if group in sheet.folded],
            "drawings": self.drawn[sheet.scene],
            "details": {name: self.detail(detail) for name, detail in sheet.details.items()},
            "measures": asdict(sheet.measures) if sheet.measures else None,
            "receivers": _receivers(sheet),
        }

    def drawing(self, scene: Scene, folding: Sequence[str]) -> dict[str, Any]:
        """One choice of collapsed blocks: its figure, and numbers of its boxes and edges."""
        losses = {box.name if box.group not in folding else box.group for box in scene.boxes if box.kind == "loss"}
        shown = collapsed(scene, folding) if folding else scene
        return {
            "folded": folding,
            "figure": self.figures.add(figure(shown)),
            "boxes": [self.boxes.add(_box(box, box.name in losses)) for box in shown.boxes],
            "edges": [self.edges.add(_edge(edge, folding)) for edge in shown.edges],
        }

    def detail(self, detail: Detail) -> int:
        """The number of a detail, in which each text that repeats is a number, too."""
        parts = {key: [self.part(part) for part in getattr(detail, key)] for key in ("inputs", "outputs", "attributes")}
        lines = [[text, self.texts.add(place)] for text, place in detail.yaml]
        return self.details.add({"op": detail.op, "doc": self.texts.add(detail.doc), "yaml": lines, **parts})

    def part(self, part: Port | Attribute) -> dict[str, Any]:
        own = vars(part)
        return {**own, **{key: self.texts.add(own[key]) for key in _ABOUT if key in own}}


def payload(title: str, sheets: Sequence[Sheet], mode: str) -> tuple[dict[str, Any], list[str]]:
    """The data for the page's script, and the figures that it refers to by number."""
    found = _Payload()
    data = {
        "title": title,
        "mode": mode,
        "sheets": [found.sheet(sheet) for sheet in sheets],
        "boxes": found.boxes.items,
        "edges": found.edges.items,
        "details": found.details.items,
        "texts": found.texts.items,
    }
    return _plain(data), found.figures.items


def _box(box: Box, loss: bool) -> dict[str, Any]:
    badges = [badge.text for badge in box.badges]
    plain = {key: value for key, value in vars(box).items() if key not in ("inputs", "stops_gradient", "lines")}
    return {**plain, "badges": badges, "what": box.lines[0] if box.lines else box.op, "loss": loss}


def _receivers(sheet: Sheet) -> dict[str, str]:
    """By node: the module whose measured gradient an edge that comes from there is drawn with."""
    norms = sheet.measures.get("grad_norm") if sheet.measures else None
    return receivers(sheet.scene, norms.values) if norms else {}


def _edge(edge: Arrow, folding: Sequence[str]) -> dict[str, Any]:
    names = ("source", "target", "kind", "port", "into", "stops", "mark", "notes")
    return {
        **{name: getattr(edge, name) for name in names},
        "label": edge.label,
        "number": edge.number is not None,
        "origin": origin(edge, folding),
    }


def _plain(value: Any) -> Any:
    """Data that JSON holds: marks that reorder text replaced, numbers that are none as null."""
    match value:
        case str():
            return clean(value)
        case float():
            return value if isfinite(value) else None
        case Mapping():
            return {clean(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
