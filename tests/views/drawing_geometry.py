"""What stands where in a layout, as rectangles and polylines, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from graphssl.views.figure import Layout, Path, Placed

Rectangle = tuple[float, float, float, float]


def rectangle(box: Placed) -> Rectangle:
    return box.x, box.y, box.x + box.width, box.y + box.height


def overlap(a: Rectangle, b: Rectangle, by: float = 0.0) -> bool:
    return a[0] < b[2] - by and b[0] < a[2] - by and a[1] < b[3] - by and b[1] < a[3] - by


def points(path: Path) -> Iterator[tuple[float, float]]:
    """Points along a path, close enough together that a box cannot hide between two."""
    x, y = path[0]
    for step in path[1:]:
        if len(step) == 2:
            count = int(max(abs(step[0] - x), abs(step[1] - y)) / 3) + 1
            yield from ((x + (step[0] - x) * i / count, y + (step[1] - y) * i / count) for i in range(count + 1))
        else:
            a, b, c, d, e, f = step
            for i in range(41):
                t = i / 40
                k = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                yield k[0] * x + k[1] * a + k[2] * c + k[3] * e, k[0] * y + k[1] * b + k[2] * d + k[3] * f
        x, y = step[-2:]


def hull(along: list[tuple[float, float]]) -> Rectangle:
    xs, ys = zip(*along, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def near(things: list[tuple[Any, Rectangle]], reach: Rectangle) -> list[tuple[Any, Rectangle]]:
    """Those whose rectangle a path with this hull may touch."""
    return [(thing, place) for thing, place in things if overlap(place, reach, -1.0)]


def faults(layout: Layout, labels_free: bool = False) -> list[str]:
    """Everything that overlaps or sticks out. labels_free: edges must not cross labels either."""
    found = []
    boxes = [(box.box.name, rectangle(box)) for box in layout.boxes]
    found += [f"{a} overlaps {b}" for (a, x), (b, y) in combinations(boxes, 2) if overlap(x, y)]
    inside = (0.0, 0.0, float(layout.width), float(layout.height))
    for stroke in layout.strokes:
        named = [layout.scene.edges[i] for i in stroke.edges]
        own = {arrow.source for arrow in named} | {arrow.target for arrow in named}
        along = list(points(stroke.path))
        reach = hull(along)
        what = f"{named[0].source} → {named[0].target}"
        for name, (left, top, right, bottom) in near(boxes, reach):
            room = 1 if name in own else 0
            if any(left + room < x < right - room and top + room < y < bottom - room for x, y in along):
                found.append(f"edge {what} crosses {name}")
        if any(not (0 <= x <= inside[2] and 0 <= y <= inside[3]) for x, y in along):
            found.append(f"edge {what} leaves the canvas")
        if labels_free:
            for label, (left, top, right, bottom) in near([(t, t.rectangle) for t in layout.labels], reach):
                if label.role != "legend" and any(left < x < right and top < y < bottom for x, y in along):
                    found.append(f"edge {what} crosses label {label.text}")
    texts = [(label.text, label.rectangle) for label in layout.labels]
    found += [f"label {a} overlaps {b}" for a, x in texts for b, y in boxes if overlap(x, y)]
    found += [f"label {a} overlaps label {b}" for (a, x), (b, y) in combinations(texts, 2) if overlap(x, y)]
    for name, (left, top, right, bottom) in [*boxes, *texts]:
        if left < 0 or top < 0 or right > inside[2] or bottom > inside[3]:
            found.append(f"{name} leaves the canvas")
    return found
