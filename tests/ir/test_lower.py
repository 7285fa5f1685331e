"""Lowering: names to nodes, types along edges, lists of views, and what is said once."""

from __future__ import annotations

from typing import Any

import pytest

import graphssl
from graphssl.ir.dump import dump, fingerprint
from graphssl.ir.graph import Graph, order

HEAD = """
graphssl: 1
name: m
nodes:
  v: {op: augment, recipe: quick, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
"""


def graph(nodes: str) -> Graph:
    found = graphssl.load(HEAD + nodes).graph
    assert found is not None
    return found


def errors(nodes: str) -> list[tuple[str, str | None]]:
    return [(f.code, f.node) for f in graphssl.load(HEAD + nodes).static if f.severity == "error"]


def value(nodes: str, ref: str) -> Any:
    name, _, port = ref.partition(".")
    found = graph(nodes).nodes[name]
    return found.outputs[port or found.signature.default_port()].values[0]


def test_types_follow_the_ops() -> None:
    nodes = "  g: {op: projector, in: f, dims: [64, 32]}\n  u: {op: l2_normalize, in: g}\n  s: {op: stop_grad, in: u}\n"
    assert str(value(nodes, "v")) == "image[b 3 32 32]"
    assert str(value(nodes, "f")) == "features[b f.d] grad"
    assert str(value(nodes, "g")) == "features[b 32] grad"
    assert str(value(nodes, "u")) == "features[b 32] grad unit"
    assert str(value(nodes, "s")) == "features[b 32] unit"


def test_ports_have_their_own_types() -> None:
    nodes = (
        "  a: {op: stop_grad, in: f.patch}\n  b: {op: stop_grad, in: f.map}\n  c: {op: stop_grad, in: f.blocks.-2}\n"
    )
    assert value(nodes, "a").kind == "tokens"
    assert value(nodes, "b").axes == ("b", "f.d", "f.h", "f.w")
    assert value(nodes, "c").kind == "tokens"


def test_a_list_lifts_what_it_is_fed_to() -> None:
    edge = graph("  g: {op: projector, in: f, dims: [32]}\n").nodes["g"].outputs["output"]
    assert edge.listed
    assert [v.view for v in edge.values] == ["v.0", "v.1"]


def test_a_teacher_gives_no_gradient_and_a_shared_call_does() -> None:
    nodes = (
        "  t: {op: ema, of: f, in: v, momentum: 0.9}\n  s: {op: share, of: f, in: v}\n  z: {op: frozen, of: s, in: v}\n"
    )
    assert not value(nodes, "t").grad
    assert value(nodes, "s").grad
    assert not value(nodes, "z").grad
    assert graph(nodes).nodes["z"].root == "f"


def test_widths_of_two_links_are_one() -> None:
    nodes = "  t: {op: ema, of: f, in: v, momentum: 0.9}\n"
    assert value(nodes, "t").axes[1] == "f.d"


def test_computing_order_does_not_depend_on_the_order_of_writing() -> None:
    found = graph("  z: {op: gather, in: g}\n  g: {op: projector, in: f, dims: [8]}\n")
    assert list(found.nodes) == ["v", "f", "g", "z"]


def test_a_stored_value_closes_no_loop() -> None:
    nodes = (
        "  g: {op: projector, in: f, dims: [8]}\n  u: {op: l2_normalize, in: mix}\n"
        "  mix: {op: concat, in: [g, old], along: batch}\n  old: {op: queue, in: u, size: 64}\n"
    )
    assert [e for e in errors(nodes) if e[0] == "loop"] == []
    assert value(nodes, "old").axes == (64, 8)


def test_a_loop_is_printed_from_its_first_node() -> None:
    nodes = "  a: {op: l2_normalize, in: c}\n  b: {op: l2_normalize, in: a}\n  c: {op: l2_normalize, in: b}\n"
    (finding,) = [f for f in graphssl.load(HEAD + nodes).static if f.code == "loop"]
    assert finding.message.endswith("a → b → c → a")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("  g: {op: projector, dims: [8]}\n  z: {op: gather, in: g}\n", [("missing-input", "g")]),
        ("  g: {op: projectr, in: f, dims: [8]}\n  z: {op: gather, in: g}\n", [("unknown-op", "g")]),
        ("  g: {in: f, dims: [8]}\n  z: {op: gather, in: g}\n  t: {op: ema, of: g, in: f, momentum: 1}\n", [("missing-key", "g")]),
        ("  g: {op: projector, in: v, dims: [8]}\n  z: {op: nt_xent, in: g}\n", [("port-type-mismatch", "g")]),
        ("  g: {op: projector, in: f, dims: 8}\n  t: {op: ema, of: g, in: f, momentum: 0.9}\n", [("wrong-type", "g")]),
        ("  t: {op: ema, of: u, in: f, momentum: 0.9}\n  z: {op: nt_xent, in: t}\n", [("unknown-node", "t")]),
        ("  t: {op: ema, of: s, in: v}\n  s: {op: share, of: t, in: v}\n", [("link-cycle", "t")]),
    ],
)  # fmt: skip
def test_one_mistake_is_said_once(nodes: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(errors(nodes)) == expected


def test_explicit_and_named_pairs() -> None:
    def pairs(how: str) -> Any:
        loss = f"  loss: {{op: cosine_loss, in: {{prediction: f, target: f}}, pairs: {how}}}\n"
        return graph(loss).nodes["loss"].pairs

    assert pairs("cross") == ((0, 1), (1, 0))
    assert pairs("same") == ((0, 0), (1, 1))
    assert pairs("all") == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert pairs("other_view") == ((0, 1), (1, 0))
    assert pairs("[[1, 0]]") == ((1, 0),)


def test_the_dump_is_stable_text_with_defaults_filled_in() -> None:
    text = dump(graphssl.load("byol@quick").checked_graph())
    assert 'ft = ema(of=f, image=v1+v2, buffers="own", init="copy", mode="train"' in text
    assert "loss = cosine_loss(prediction=q, target=gt" in text
    assert "over=[(0, 1), (1, 0)]" in text
    assert "represent f" in text
    assert "0x" not in text


def test_fingerprints_see_every_change_and_no_comment() -> None:
    base = graphssl.load(HEAD + "  loss: {op: nt_xent, in: z}\n  z: {op: gather, in: f}\n")
    commented = graphssl.load("# hello\n" + HEAD + "  loss: {op: nt_xent, in: z}  # a loss\n  z: {in: f, op: gather}\n")
    changed = graphssl.load(HEAD + "  loss: {op: nt_xent, in: z, temperature: 0.2}\n  z: {op: gather, in: f}\n")
    written_out = graphssl.load(HEAD + "  loss: {op: nt_xent, in: z, temperature: 0.1}\n  z: {op: gather, in: f}\n")
    assert base.fingerprint == commented.fingerprint == written_out.fingerprint != changed.fingerprint
    assert fingerprint(base.checked_graph()) == base.fingerprint


def test_order_finds_every_loop() -> None:
    assert order(["b", "a"], [("a", "b")])[0] == ["a", "b"]
    assert order(["c", "b", "a"], [])[0] == ["c", "b", "a"]
    assert order(["a", "b"], [("a", "b"), ("b", "a")])[1] == [["a", "b"]]
    assert order(["c", "a", "b"], [("a", "b"), ("b", "a"), ("b", "c"), ("c", "c")])[1] == [["c"], ["a", "b"]]
