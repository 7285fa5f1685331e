"""Blocks drawn as one box each."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from drawing_geometry import faults
from random_methods import random_graph
from small_methods import BLOCKS, MOCO, drawn, edge

import graphssl
from graphssl.views.collapse import collapsed, foldings, groups_of
from graphssl.views.dot import dot
from graphssl.views.layout import layout
from graphssl.views.mermaid import mermaid
from graphssl.views.scene import TOTAL, Scene
from graphssl.views.svg import svg


def pairs(scene: Scene) -> list[tuple[str, str, str]]:
    return [(arrow.source, arrow.target, arrow.kind) for arrow in scene.edges]


def test_a_block_is_one_box_with_what_is_in_it() -> None:
    scene = drawn(BLOCKS)
    assert groups_of(scene) == ("h", "t", "loss")
    found = collapsed(scene, ["h"])
    assert [box.name for box in found.boxes] == ["v", "f", "h", "t/e", "t/g", "loss/near", "loss/far", TOTAL]
    box = found.box("h")
    assert (box.kind, box.lane, box.lines) == ("block", "student", ("block of 2 nodes", "projector, predictor"))
    assert [badge.kind for badge in box.badges] == ["represent"]
    assert dict(box.attributes)["nodes"] == "h/first, h/last"


def test_edges_inside_are_gone_and_edges_out_of_it_are_kept_once() -> None:
    found = collapsed(drawn(BLOCKS), ["h", "loss"])
    assert ("h", "h", "gradient") not in pairs(found)
    assert pairs(found).count(("h", "loss", "gradient")) == 1  # both losses take it
    assert ("h", "t/g", "ema") in pairs(found) and ("f", "h", "gradient") in pairs(found)
    ends = [arrow.number.text for arrow in found.edges if arrow.target == TOTAL and arrow.number]
    assert ends == ["2", "1"]


def test_of_edges_with_and_without_gradient_the_one_with_stays() -> None:
    probe = "  y: {op: label}\n  probe: {op: linear_probe, in: {features: g, label: y}, classes: 9}\nrepresent: f"
    scene = drawn(MOCO.replace("represent: f", probe))
    scene = replace(
        scene, boxes=tuple(replace(b, group="end" if b.name in ("probe", "loss") else None) for b in scene.boxes)
    )
    assert edge(scene, "g", "probe").stops
    found = collapsed(scene, ["end"])
    assert not edge(found, "g", "end").stops and edge(found, "g", "end").kind == "gradient"
    assert pairs(found).count(("g", "end", "gradient")) == 1 and ("g", "end", "data") not in pairs(found)


def test_several_momenta_into_one_block_are_written_once() -> None:
    found = collapsed(drawn(BLOCKS), ["t"])
    numbers = [arrow.number.short for arrow in found.edges if arrow.target == "t" and arrow.number]
    assert numbers == ["0.99, 0.9"]
    assert ("f", "t", "ema") in pairs(found) and ("h/first", "t", "ema") in pairs(found)


def test_marks_inside_are_told_by_the_block() -> None:
    scene = drawn(BLOCKS)

    def marked(**marks: str) -> Scene:
        names = {name.replace("_", "/"): mark for name, mark in marks.items()}
        return replace(scene, boxes=tuple(replace(b, mark=names.get(b.name, ""), notes=("x",)) for b in scene.boxes))

    assert collapsed(marked(h_first="added", h_last="added"), ["h"]).box("h").mark == "added"
    assert collapsed(marked(h_first="added"), ["h"]).box("h").mark == "changed"
    found = collapsed(marked(h_first="error", h_last="changed"), ["h"]).box("h")
    assert found.mark == "error" and found.notes == ("h/first: x", "h/last: x")
    assert collapsed(scene, ["h"]).box("h").mark == ""


def test_few_blocks_have_every_combination_and_many_a_choice() -> None:
    assert foldings(()) == [()]
    assert foldings(("a", "b")) == [(), ("a",), ("b",), ("a", "b")]
    assert len(foldings(("a", "b", "c"))) == 8
    assert foldings(("a", "b", "c", "d")) == [(), ("a",), ("b",), ("c",), ("d",), ("a", "b", "c", "d")]


@pytest.mark.parametrize("folding", foldings(("h", "t", "loss")), ids="+".join)
def test_every_choice_is_drawn_without_a_fault(folding: tuple[str, ...]) -> None:
    assert faults(layout(collapsed(drawn(BLOCKS), folding)), labels_free=True) == []


@pytest.mark.parametrize("seed", range(30))
def test_any_grouping_of_random_methods_is_drawn_without_a_fault(seed: int) -> None:
    pick = random.Random(seed)
    scene = drawn(random_graph(seed))
    grouped = tuple(replace(b, group=pick.choice(["x", "y", None]) if b.name != TOTAL else None) for b in scene.boxes)
    scene = replace(scene, boxes=grouped)
    for folding in foldings(groups_of(scene)):
        assert faults(layout(collapsed(scene, folding))) == []


def test_each_format_draws_a_block_so_that_it_is_told_apart() -> None:
    found = collapsed(drawn(BLOCKS), ["h"])
    assert svg(found).count(' inner"') == 1 and "block of 2 nodes" in svg(found)
    assert '[["<b>h</b>' in mermaid(found) and "peripheries=2" in dot(found)
    assert "peripheries" not in dot(drawn(BLOCKS)) and ' inner"' not in svg(drawn(BLOCKS))


def test_a_drawing_collapses_the_blocks_asked_for() -> None:
    assert [box.name for box in graphssl.draw(BLOCKS, ["h"]).scene.boxes][2] == "h"
    assert "h/first" in graphssl.draw(BLOCKS)._repr_svg_()
    assert [box.kind for box in graphssl.draw(BLOCKS, None).scene.boxes].count("block") == 3
    with pytest.raises(ValueError, match="there is no block `x`; there are `h`, `t`, `loss`"):
        graphssl.draw(BLOCKS, ["x"])
    with pytest.raises(ValueError, match="the method has none"):
        graphssl.draw(MOCO, ["x"])
