"""Blocks: parametric sub-graphs, instanced by nodes."""

from __future__ import annotations

import graphssl
from graphssl.ir.graph import Graph
from graphssl.pipeline import Method

HEAD = """
graphssl: 1
name: m
params: {out: 32}
blocks:
  head:
    doc: two layers and a normalisation
    params: {width: {default: 64, min: 8}}
    inputs: [x]
    nodes:
      mlp: {op: projector, in: x, dims: ["${width}", "${out}"]}
      unit: {op: l2_normalize, in: mlp}
    out: unit
  slow:
    params: {m: 0.99}
    inputs: [student, image]
    nodes:
      copy: {op: ema, of: f, in: image, momentum: "${m}"}
      head: {op: ema, of: g/mlp, in: copy, momentum: "${m}"}
    out: head
nodes:
  vq: {op: augment, recipe: quick, size: 32}
  vk: {op: augment, recipe: quick, size: 32}
  f: {op: encoder, in: [vq, vk], arch: resnet18}
"""
REST = "represent: f\ntrain: {optimizer: adamw, lr: 1e-3, epochs: 10, batch_size: 64}\n"


def load(nodes: str, rest: str = REST) -> Method:
    return graphssl.load(HEAD + nodes + rest)


def graph(method: Method) -> Graph:
    assert [f.to_text() for f in method.static if f.code != "unused-block"] == []
    return method.checked_graph()


def test_an_instance_becomes_its_nodes_and_its_name_means_out() -> None:
    found = graph(load("  g: {block: head, in: f}\n  z: {op: gather, in: g}\n  loss: {op: nt_xent, in: z}\n"))
    assert list(found.nodes) == ["vq", "vk", "f", "g/mlp", "g/unit", "z", "loss"]
    assert str(found.nodes["z"].inputs["x"][0]) == "g/unit"
    assert found.nodes["g/mlp"].attrs["dims"] == [64, 32]
    assert found.nodes["z"].outputs["output"].values[0].unit


def test_two_instances_have_their_own_weights_and_parameters() -> None:
    found = graph(
        load(
            "  g: {block: head, in: f, width: 16}\n  h: {block: head, in: {x: f.pooled}, width: '${out}'}\n"
            "  z: {op: gather, in: [g, h]}\n  loss: {op: nt_xent, in: z}\n"
        )
    )
    assert found.nodes["g/mlp"].attrs["dims"] == [16, 32]
    assert found.nodes["h/mlp"].attrs["dims"] == [32, 32]
    assert {n.root for n in found.of_kind("module")} == {"f", "g/mlp", "h/mlp"}


def test_a_block_may_take_several_inputs_and_nodes_from_outside() -> None:
    method = load(
        "  g: {block: head, in: f}\n  fk: {op: share, of: f, in: vk}\n  t: {block: slow, in: {student: g, image: vk}}\n"
        "  u: {op: l2_normalize, in: t}\n  loss: {op: info_nce, in: {query: g, positive: u}, pairs: all}\n"
        "  m: {op: concat, in: [fk, fk]}\n  k: {op: projector, in: m, dims: [8]}\n  kz: {op: gather, in: [k, k]}\n"
        "  other: {op: nt_xent, in: kz}\n"
    )
    assert graph_nodes(method)["t/copy"] == ["vk"]
    assert graph_nodes(method)["u"] == ["t/head"]


def graph_nodes(method: Method) -> dict[str, list[str]]:
    assert method.graph is not None
    return {n.name: [str(ref) for _, ref in n.refs()] for n in method.graph}


def test_represent_and_monitors_may_name_an_instance() -> None:
    nodes = "  g: {block: head, in: f}\n  z: {op: gather, in: g}\n  loss: {op: nt_xent, in: z}\n"
    found = graph(load(nodes, REST.replace("represent: f", "represent: g")))
    assert str(found.represent) == "g/unit"


def test_a_mistake_in_a_block_is_reported_in_the_block_for_each_instance() -> None:
    method = graphssl.load(
        HEAD.replace("op: l2_normalize", "op: l2norm") + "  g: {block: head, in: f}\n  h: {block: head, in: f}\n"
        "  z: {op: gather, in: [g, h]}\n  loss: {op: nt_xent, in: z}\n" + REST
    )
    found = [(f.code, f.node, f.span.line if f.span else 0) for f in method.static if f.severity == "error"]
    assert found == [("unknown-op", "g/unit", 12), ("unknown-op", "h/unit", 12)]


def test_weights_of_an_instance_are_named_after_it_in_the_module() -> None:
    nodes = "  g: {block: head, in: f}\n  z: {op: gather, in: g}\n  loss: {op: nt_xent, in: z}\n"
    names = dict(graphssl.compile(load(nodes)).named_parameters())
    assert "g_mlp.last.weight" in names


def test_a_group_may_name_a_node_of_an_instance() -> None:
    nodes = "  g: {block: head, in: f}\n  z: {op: gather, in: g}\n  loss: {op: nt_xent, in: z}\n"
    method = load(nodes, REST.replace("batch_size: 64", "batch_size: 64, groups: {h: {node: g/mlp.last, lr_scale: 2}}"))
    assert [f.code for f in method.findings if f.severity == "error"] == []
