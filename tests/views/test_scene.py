"""What a drawing says of a method."""

from __future__ import annotations

from small_methods import BROKEN, MOCO, SIAMESE, drawn, edge

from graphssl.views.scene import TOTAL


def test_byol_has_two_ema_links_with_momentum_and_one_represent_mark() -> None:
    found = drawn("byol")
    links = [arrow for arrow in found.edges if arrow.kind == "ema"]
    assert [(a.source, a.target) for a in links] == [("f", "ft"), ("g", "gt")]
    number = links[0].number
    assert number is not None and number.short == "0.996→1"
    assert number.samples[0] == 0.996 and number.samples[-1] == 1.0
    assert [box.name for box in found.boxes for badge in box.badges if badge.kind == "represent"] == ["f"]
    assert dict(found.lanes)["student"] == "student"


def test_lanes_follow_the_gradient() -> None:
    lanes = {box.name: box.lane for box in drawn(MOCO).boxes}
    assert lanes["vq"] == "source" and lanes["g"] == "student" and lanes["zk"] == "teacher"
    assert lanes["queue"] == "state" and lanes["loss"] == "loss"
    assert {box.name: box.lane for box in drawn(SIAMESE).boxes}["t"] == "teacher"


def test_edges_say_whether_gradient_comes_back() -> None:
    found = drawn(MOCO)
    assert edge(found, "vq", "f").kind == "data" and not edge(found, "vq", "f").stops
    assert edge(found, "f", "g").kind == "gradient"
    assert edge(found, "zk", "queue").kind == "write"
    assert edge(found, "queue", "loss").kind == "data"


def test_a_bar_stands_where_gradient_stops() -> None:
    found = drawn(SIAMESE)
    assert edge(found, "f2", "t").stops and edge(found, "f2", "t").kind == "data"
    assert edge(found, "f", "probe").stops
    assert not edge(found, "f", "q").stops
    assert found.box("t").stops_gradient and found.box("probe").stops_gradient


def test_calls_of_one_module_carry_its_name() -> None:
    found = drawn(SIAMESE)
    assert found.box("f").module == found.box("f2").module == "f"
    assert edge(found, "f", "f2", "share")
    assert found.box("f2").lines[0] == "same weights as f"
    assert drawn(MOCO).box("fk").module == "fk"


def test_edges_are_labelled_with_type_and_count() -> None:
    found = drawn(SIAMESE)
    assert edge(found, "v", "f").label == "2 × image[b 3 32 32]"
    assert edge(found, "q", "loss").label == "2 × features[b 512]"
    assert edge(drawn(MOCO), "g", "loss").label == "features[b 128]"


def test_boxes_show_what_differs_from_the_defaults() -> None:
    found = drawn("byol")
    assert found.box("f").lines[0] == "encoder" and "resnet50" in found.box("f").lines[1]
    assert "4096 → 256" in found.box("g").lines[1]
    assert ("norm", "batch") in found.box("g").attributes


def test_state_tells_when_it_is_written() -> None:
    moments = {box.name: b.text for box in drawn(MOCO).boxes for b in box.badges if b.kind == "moment"}
    assert moments == {"fk": "before forward", "gk": "before forward", "queue": "after step"}


def test_losses_join_in_a_total_unless_there_is_nothing_to_add() -> None:
    assert TOTAL not in [box.name for box in drawn(MOCO).boxes]
    found = drawn(SIAMESE)
    assert [(name, weight.short) for name, weight in found.total] == [("loss", "0→1"), ("probe", "1")]
    number = edge(found, "loss", TOTAL).number
    assert number is not None and number.samples


def test_the_legend_lists_what_is_drawn_and_nothing_else() -> None:
    kinds = {kind for kind, _ in drawn(MOCO).legend}
    assert kinds == {"gradient", "data", "write", "ema", "state", "represent", "moment"}


def test_nodes_of_a_block_carry_its_name() -> None:
    text = MOCO.replace("  g:  {op: projector, in: f, dims: [512, 128]}", "  g:  {block: head, in: f}")
    text = text.replace("of: g,", "of: g/last,").replace("nodes:\n", BLOCK, 1)
    found = drawn(text)
    assert found.box("g/last").group == "g" and found.box("f").group is None


BLOCK = """blocks:
  head:
    inputs: [x]
    nodes: {last: {op: projector, in: x, dims: [512, 128]}}
    out: last
nodes:
"""


def test_a_graph_with_mistakes_is_drawn_as_far_as_it_is_understood() -> None:
    found = drawn(BROKEN)
    broken = [box.name for box in found.boxes if box.broken]
    assert "g" in broken and "t" in broken
    assert ("broken", "not understood") in found.legend
