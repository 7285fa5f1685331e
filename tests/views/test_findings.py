"""`with_errors`: what is wrong, on the drawing."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawing_geometry import faults
from random_methods import random_graph
from small_methods import BROKEN, edge

import graphssl
from graphssl.views.layout import layout
from graphssl.views.scene import Scene
from graphssl.views.svg import svg

DEFECTS = sorted((Path(__file__).parents[1] / "broken").glob("*.yaml"))


def marked(text: str, overrides: dict[str, str] | None = None) -> Scene:
    return graphssl.draw(graphssl.load(text, overrides or {}), with_errors=True).scene


def test_a_bad_node_is_marked_with_what_is_wrong() -> None:
    box = marked(BROKEN).box("g")
    assert box.mark == "error"
    assert box.notes == (
        "error[wrong-value]: `norm` expects `none` or `batch` or `layer`, got `btach` (help: write `batch`)",
    )


def test_what_was_not_understood_is_an_empty_box() -> None:
    found = marked(BROKEN)
    assert found.box("h").broken and found.box("h").lines == ("nope",)
    assert found.box("nowhere").lines == ("no such node",)
    assert edge(found, "h", "q").into == "features"


def test_a_bad_edge_is_marked_and_its_neighbours_are_not() -> None:
    found = marked("byol", {"nodes.q.in": "f", "nodes.loss.in.target": "g"})
    assert edge(found, "g", "loss").mark == "warning"
    assert edge(found, "q", "loss").mark == ""
    assert {box.name for box in found.boxes if box.mark} == {"loss", "gt"}


def test_every_error_and_warning_stands_below_the_drawing() -> None:
    text = svg(marked(BROKEN))
    for sentence in ("there is no op `nope`", "there is no node `zzz`", "`of` goes round in a circle at `u`"):
        assert sentence in text


def test_a_method_without_a_finding_is_drawn_as_ever() -> None:
    assert marked("moco_v2") == graphssl.draw("moco_v2").scene


@pytest.mark.parametrize("file", DEFECTS, ids=lambda path: path.stem)
def test_every_known_defect_is_drawn_without_a_fault(file: Path) -> None:
    method = graphssl.load(str(file))
    if method.graph is None:
        with pytest.raises(graphssl.GraphError):
            graphssl.draw(method, with_errors=True)
        return
    found = graphssl.draw(method, with_errors=True).scene
    assert faults(layout(found)) == []
    assert len(found.findings) == sum(f.severity != "advice" for f in method.static)


@pytest.mark.parametrize("seed", range(30))
def test_random_methods_with_unknown_names_are_drawn_without_a_fault(seed: int) -> None:
    text = random_graph(seed).replace("in: f", "in: missing", 1).replace("op: concat", "op: conact")
    assert faults(layout(marked(text)), labels_free=True) == []


def test_what_is_wrong_shows_in_every_kind_of_drawing() -> None:
    drawing = graphssl.draw(graphssl.load(BROKEN), with_errors=True)
    assert '"! h\\nnope"' in str(drawing.as_("dot")) and "penwidth=3" in str(drawing.as_("dot"))
    assert "<b>#33; h</b>" in str(drawing.as_("mmd")) and "classDef error stroke:" in str(drawing.as_("mmd"))
    assert '"mark": "error"' in str(drawing.as_("json"))
