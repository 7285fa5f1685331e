"""Where things stand: nothing overlaps, no edge crosses a box, everything is on the canvas."""

from __future__ import annotations

import pytest
from drawing_geometry import faults
from random_methods import random_graph
from small_methods import BROKEN, MOCO, SIAMESE, drawn

from graphssl.bundled import method_files
from graphssl.language.diagnostics import GraphError
from graphssl.views import draw
from graphssl.views.diff import diff
from graphssl.views.figure import Layout, Placed
from graphssl.views.layout import layout

CYCLE = """
graphssl: 1
name: cycle
nodes:
  v: {op: augment, steps: {flip: {p: 0.5}}, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  g: {op: projector, in: f, dims: [64]}
  mix: {op: concat, in: [zq, g]}
  bank: {op: queue, in: g2, size: 64}
  zq: {op: l2_normalize, in: bank}
  g2: {op: projector, in: mix, dims: [64]}
  loss: {op: nt_xent, in: g2}
"""


def placed(found: Layout) -> dict[str, Placed]:
    return {box.box.name: box for box in found.boxes}


@pytest.mark.parametrize("method", method_files())
def test_bundled_methods_are_drawn_without_a_fault(method: str) -> None:
    assert faults(layout(drawn(method)), labels_free=True) == []


@pytest.mark.parametrize("text", [MOCO, SIAMESE, BROKEN, CYCLE], ids=["queue", "siamese", "broken", "cycle"])
def test_small_methods_are_drawn_without_a_fault(text: str) -> None:
    assert faults(layout(drawn(text)), labels_free=True) == []


@pytest.mark.parametrize("seed", {*range(201)} - {131})  # 131 compares more pairs of views than the language takes
def test_random_methods_are_drawn_without_a_fault(seed: int) -> None:
    assert faults(layout(drawn(random_graph(seed))), labels_free=True) == []


def test_a_method_of_the_largest_size_is_drawn_without_a_fault() -> None:
    found = layout(drawn(random_graph(5, 190)))
    assert len(found.boxes) > 190
    assert faults(found) == []


def test_copies_stand_under_what_they_copy() -> None:
    boxes = placed(layout(drawn(MOCO)))
    for module, copy in (("f", "fk"), ("g", "gk")):
        assert boxes[module].x == boxes[copy].x
        assert boxes[module].y + boxes[module].height < boxes[copy].y


def test_chains_are_level_and_time_runs_to_the_right() -> None:
    boxes = placed(layout(drawn(MOCO)))
    middle = {name: box.y + box.height / 2 for name, box in boxes.items()}
    assert middle["f"] == middle["g"] and middle["fk"] == middle["gk"] == middle["zk"]
    order = [boxes[name].x for name in ("vk", "fk", "gk", "zk", "queue", "loss")]
    assert order == sorted(set(order))


def test_a_list_that_two_boxes_take_is_drawn_once() -> None:
    found = layout(drawn("byol"))
    assert len(found.dots) == 1
    assert [label.text for label in found.labels if "image" in label.text] == ["2 × image"]


def test_names_of_inputs_are_written_where_they_arrive() -> None:
    loss = placed(layout(drawn(MOCO)))["loss"]
    assert [port for port, _ in loss.ports] == ["query", "positive", "negatives"]
    assert all(loss.y < at < loss.y + loss.height for _, at in loss.ports)


def test_a_graph_too_large_to_draw_says_what_to_do_instead() -> None:
    more = "".join(f"  n{i}: {{op: l2_normalize, in: n{i - 1}}}\n" for i in range(1, 200))
    text = SIAMESE.replace(
        "nodes:\n", "nodes:\n  n0: {op: l2_normalize, in: f}\n" + more + "  spread: {op: koleo_loss, in: n199}\n"
    )
    drawing = draw(text)
    with pytest.raises(
        GraphError, match=r"too-large-to-draw.* has 2\d\d boxes, and a drawing at most 200(?s:.*)--collapse"
    ):
        drawing.as_("svg")
    assert "n199" in drawing.as_("mmd")
    with pytest.raises(GraphError, match=r"too-large-to-draw.* methods of at most 200 are compared"):
        diff(text, SIAMESE)
