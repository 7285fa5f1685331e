"""The diff of two methods: exact, modulo names, and readable."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from drawing_geometry import faults
from random_methods import random_graph

import graphssl
from graphssl.bundled import method_files
from graphssl.ir.dump import dump, shown
from graphssl.ir.graph import Graph
from graphssl.language.tree import plain
from graphssl.ops import registry
from graphssl.views.diff import ABSENT, Change, Diff, compare, diff, sentence
from graphssl.views.diff.compare import facts, method_facts
from graphssl.views.diff.overlay import diff_scenes
from graphssl.views.layout import layout
from graphssl.views.scene import TOTAL
from graphssl.views.svg import svg

GOLDEN = Path(__file__).parent / "diffs"
PAIRS = [
    ("moco_v1", "moco_v2"),
    ("moco_v2", "moco_v3"),
    ("simclr", "simclr_v2"),
    ("simclr", "moco_v2"),
    ("byol", "simsiam"),
    ("byol", "byol@no_target"),
    ("byol", "moco_v3"),
    ("vicreg", "simclr"),
    ("dino", "ibot"),
    ("ibot", "dinov2"),
    ("dino", "dinov2"),
    ("dinov2", "dinov2_distill"),
]
VARIANTS = ["byol@stop_grad@no_predictor", "byol@fixed_target", "byol@negatives", "dino@sinkhorn", "dino@no_multicrop",
            "ibot@separate_heads", "dinov2@long", "simclr@quick", "simclr_v2@memory", "moco_v3@vit_small"]  # fmt: skip

SMALL = """
graphssl: 1
name: small
nodes:
  v: {op: augment, steps: {flip: {p: 0.5}, normalize: none}, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  g: {op: projector, in: f, dims: [64, 32]}
  t: {op: stop_grad, in: g}
  loss: {op: cosine_loss, in: {prediction: g, target: t}}
represent: f
train: {optimizer: {name: adamw, betas: [0.9, 0.95]}, lr: 1e-3, epochs: 10, batch_size: 256, groups: {a: {match: [bias], weight_decay: 0}, b: {match: [norm], weight_decay: 0}}}
"""


@functools.cache
def graph(method: str) -> Graph:
    return graphssl.load(method).checked_graph()


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=[f"{a}..{b}" for a, b in PAIRS])
def test_the_text_is_the_one_on_file(a: str, b: str) -> None:
    """GRAPHSSL_GOLDEN=write writes the files anew; read them as the author of `b` would."""
    path, found = GOLDEN / f"{a}..{b}.txt", str(diff(a, b))
    if os.environ.get("GRAPHSSL_GOLDEN") == "write":
        path.write_text(found, encoding="utf-8", newline="\n")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("moco_v1", "moco_v2", r"2-layer MLP projector .* linear .* blur added .* 0\.07 → 0\.2, and a cosine"),
        ("byol", "simsiam", r"without the EMA target: the target is the trained network itself .* a stop-gradient"),
        ("dino", "ibot", r"block-wise masks .* a second soft cross-entropy on masked patches .* shared prototype head"),
        ("ibot", "dinov2", r"with the KoLeo regulariser \(weight 0\.1\)"),
        ("moco_v2", "moco_v3", r"without the queue of past keys, and with a predictor"),
        ("byol", "byol@stop_grad@no_predictor", r"without the EMA target and the predictor"),
        ("dino", "dino@sinkhorn", r"without centring, and with Sinkhorn-Knopp in place of softmax"),
    ],
)
def test_the_sentence_tells_the_news_first(a: str, b: str, said: str) -> None:
    assert re.search(said, sentence(diff(a, b)))


@pytest.mark.parametrize("method", [*method_files(), *VARIANTS])
def test_a_method_does_not_differ_from_itself(method: str) -> None:
    found = diff(method, method)
    assert not found and str(found) == ""
    assert json.loads(found.to_json())["same"] is True
    assert all(not part.mark for scene in diff_scenes(found) for part in (*scene.boxes, *scene.edges))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=[f"{a}..{b}" for a, b in PAIRS])
def test_resolved_files_differ_as_the_originals_do(a: str, b: str, tmp_path: Path) -> None:
    files = [tmp_path / "one.yaml", tmp_path / "other.yaml"]
    for file, method in zip(files, (a, b)):
        file.write_text(f"# a comment\n\n{graphssl.load(method).text()}", encoding="utf-8")
    resolved = diff(*map(str, files))
    assert resolved == diff(a, b)
    if "@" not in b:
        assert str(resolved) == str(diff(a, b))


def all_facts(found: Graph, names: dict[str, str]) -> dict[tuple[str, ...], Any]:
    """Every fact of a dump but the name and the order, with nodes called by `names`."""
    nodes = {(names.get(n.name, n.name), *key): value for n in found for key, value in facts(n, names).items()}
    return nodes | {("", *key): value for key, value in method_facts(found, names).items()}


def applied(found: Diff) -> dict[tuple[str, ...], Any]:
    """The facts of `a` with everything in the diff done to them."""
    names = found.merged_names()
    result = all_facts(found.a, names)
    changes: list[tuple[str, Change]] = [
        (node.new or names[node.old or ""], change) for node in found.nodes for change in node.changes
    ] + [("", change) for change in found.method if change.part != "order"]
    for name, change in changes:
        key = (name, change.part, change.key)
        if change.old is not ABSENT:
            assert shown(result.pop(key)) == shown(change.old)
        if change.new is not ABSENT:
            assert key not in result
            result[key] = change.new
    return result


def assert_exact(a: Graph, b: Graph) -> None:
    found = compare(a, b)
    after = {key: shown(value) for key, value in applied(found).items()}
    assert after == {key: shown(value) for key, value in all_facts(b, {}).items()}
    assert bool(found) == (nameless(a) != nameless(b))
    assert bool(str(found)) == bool(found)


def nameless(found: Graph) -> str:
    return dump(dataclasses.replace(found, name="x"))


@pytest.mark.parametrize("a", method_files())
def test_the_diff_of_any_two_methods_accounts_for_every_difference(a: str) -> None:
    for b in [*method_files(), *VARIANTS]:
        assert_exact(graph(a), graph(b))


def loaded(text: str) -> Graph:
    found = graphssl.load(text).graph
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(30))
def test_the_diff_of_random_methods_accounts_for_every_difference(seed: int) -> None:
    a, b = (loaded(random_graph(s)) for s in (seed, seed + 1))
    assert_exact(a, b)
    again = compare(a, b)
    assert again == compare(a, b) and str(again)


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("dims: [64, 32]", "dims: [64, 32], bias: false", "bias yes → no"),
        ("flip: {p: 0.5}", "flip: {p: 0.2}", "flip p 0.5 → 0.2"),
        ("normalize: none", "blur: {p: 0.5}, normalize: none", "blur added"),
        ("normalize: none", "normalize: cifar10", "normalize none → cifar10"),
        ("flip: {p: 0.5}, normalize: none", "normalize: none, flip: {p: 0.5}", "in the order normalize, flip"),
        ("target: t}", "target: t}, weight: 0.1234567", "weight 1 → 0.123457"),
        ("target: t}", "target: t}, weight: {cosine: {from: 1, to: 0}}", "weight 1 → cosine from 1 to 0"),
        ("in: g}\n  loss", "in: f}\n  loss", "t.x   g → f"),
        ("{op: stop_grad, in: g}", "{op: identity, in: g}", "t → loss  no gradient → gradient flows"),
        ("represent: f", "represent: g", "represent  f → g"),
        ("lr: 1e-3", "lr: {base: 1e-3, warmup: 1ep}", "linear from 0 to 0.001 over 1ep, then cosine to 0"),
        ("0.95]", "0.999]", "optimizer.betas  [0.9, 0.95] → [0.9, 0.999]"),
        ("a: {match: [bias], weight_decay: 0}", "a: {match: [bias], lr_scale: 2}", "weight_decay 0 → none, lr_scale none → 2"),
        ("b: {match: [norm], weight_decay: 0}", "c: {node: g, weight_decay: 0}", "group c  node g, weight_decay 0"),
        ("groups: {a: {match: [bias], weight_decay: 0}, b: {match: [norm], weight_decay: 0}}",
         "groups: {b: {match: [norm], weight_decay: 0}, a: {match: [bias], weight_decay: 0}}", "order of groups  a, b → b, a"),
        ("represent: f", "represent: f\nmonitors: {size: loss}", "monitor size  loss"),
    ],
)  # fmt: skip
def test_one_change_is_one_row(old: str, new: str, row: str) -> None:
    assert old in SMALL
    a, b = graph(SMALL), loaded(SMALL.replace(old, new))
    assert_exact(a, b)
    assert re.sub(" +", " ", row) in re.sub(" +", " ", str(compare(a, b)))


def test_values_that_six_digits_do_not_tell_apart_are_told_in_full() -> None:
    texts = [SMALL.replace("target: t}", f"target: t}}, weight: {w}") for w in ("0.12345678", "0.12345679")]
    assert "weight 0.12345678 → 0.12345679" in str(compare(*map(graph, texts)))


@pytest.mark.parametrize("a", ["moco_v2", "byol", "simsiam", "ibot", "dinov2"])
def test_renaming_every_node_changes_names_only(a: str) -> None:
    old = graph(a)
    new = with_names(old, {name: f"my_{name}" for name in old.nodes})
    found = compare(old, new)
    assert [(n.old, n.new, n.changes) for n in found.nodes] == [(name, f"my_{name}", ()) for name in old.nodes]
    assert found.method == ()


def with_names(found: Graph, names: dict[str, str]) -> Graph:
    """The graph with other names for its nodes."""
    tree = graphssl.load(found.name).tree
    assert tree is not None
    return graph(json.dumps(rename(plain(tree), names), indent=1))


def rename(data: Any, names: dict[str, str]) -> Any:
    """A resolved file with its nodes called otherwise, wherever they are named."""

    def ref(value: Any) -> Any:
        if isinstance(value, list):
            return [ref(item) for item in value]
        if isinstance(value, dict):
            return {key: ref(item) for key, item in value.items()}
        node, dot, port = str(value).partition(".")
        return f"{names[node]}{dot}{port}" if node in names else value

    for node in data["nodes"].values():
        node.update({key: ref(node[key]) for key in ("in", "of", "like") if key in node})
    data["nodes"] = {names[name]: node for name, node in data["nodes"].items()}
    data |= {key: ref(data[key]) for key in ("represent", "monitors") if key in data}
    for group in data.get("train", {}).get("groups", {}).values():
        group.update({"node": ref(group["node"])} if "node" in group else {})
    data.pop("variants", None)
    return data


def test_what_a_name_meant_before_is_told_apart() -> None:
    other = SMALL.replace("t: {op: stop_grad, in: g}", "t: {op: augment, like: v, size: 32}").replace(
        "target: t", "target: g"
    )
    found = compare(graph(SMALL), loaded(other))
    names = [box.name for box in diff_scenes(found)[2].boxes]
    assert {"t", "t (before)"} <= set(names)
    assert [(node.old, node.new) for node in found.nodes if "t" in (node.old, node.new)] == [("t", None), (None, "t")]


@pytest.mark.parametrize(("a", "b"), [*PAIRS, *((b, a) for a, b in PAIRS)])
def test_scenes_are_drawn_without_a_fault(a: str, b: str) -> None:
    found = diff(a, b)
    for scene in diff_scenes(found):
        names = [box.name for box in scene.boxes]
        assert len(set(names)) == len(names)
        assert {end for edge in scene.edges for end in (edge.source, edge.target)} <= set(names)
        assert faults(layout(scene)) == []


@pytest.mark.parametrize("seed", range(12))
def test_scenes_of_random_methods_are_drawn_without_a_fault(seed: int) -> None:
    a, b = (loaded(random_graph(s)) for s in (seed, seed + 1))
    for scene in diff_scenes(compare(a, b)):
        assert faults(layout(scene)) == []


def test_each_side_marks_its_part_and_the_overlay_both() -> None:
    a, b, both = (marks(scene) for scene in diff_scenes(diff("byol", "simsiam")))
    assert a["ft"] == "removed" and a["gt"] == "changed" and "added" not in a.values()
    assert b["t"] == "changed" and "removed" not in b.values()
    assert both["ft"] == "removed" and both["t"] == "changed" and both["f"] == ""
    _, b, both = (marks(scene) for scene in diff_scenes(diff("dino", "ibot")))
    assert b["mask"] == both["mask"] == "added"
    assert both[TOTAL] == "added" or both[TOTAL] == "changed"


def marks(scene: Any) -> dict[str, str]:
    return {box.name: box.mark for box in scene.boxes}


def test_edges_carry_marks_and_say_why() -> None:
    edges = {(e.source, e.target): e for e in diff_scenes(diff("byol", "byol@no_target"))[2].edges}
    assert edges["f", "ft"].mark == "removed"
    assert edges["gt", "loss"].notes == ("no gradient → gradient flows",)
    edges = {(e.source, e.target): e for e in diff_scenes(diff("byol", "byol@ep300"))[2].edges}
    assert edges["f", "ft"].notes == ("momentum 0.996→1 cosine → 0.99→1 cosine",)


def test_text_of_others_stays_text() -> None:
    hostile = SMALL.replace("arch: resnet18", 'arch: "\\u001b[31m<b>\\u202e\\nx"')
    found = compare(graph(SMALL), loaded(hostile))
    assert "\x1b" not in str(found) and "\u202e" not in str(found) and "<b>" in str(found)
    picture = svg(diff_scenes(found)[2])
    assert "\x1b" not in picture and "<b>" not in picture


def test_a_diff_shows_itself_and_is_saved_by_suffix(tmp_path: Path) -> None:
    found = graphssl.diff("byol", graphssl.load("simsiam"))
    assert found._repr_svg_().startswith("<svg ")
    assert found.save(tmp_path / "x.svg").read_text(encoding="utf-8") == found._repr_svg_()
    with pytest.raises(ValueError, match=r"`\.tiff`"):
        found.save(tmp_path / "x.tiff")


def test_json_holds_every_change() -> None:
    found = diff("byol", "simsiam")
    data = json.loads(found.to_json())
    assert [len(node["changes"]) for node in data["nodes"]] == [len(node.changes) for node in found.nodes]
    by_name = {node["new"] or node["old"]: node for node in data["nodes"]}
    assert by_name["t"]["old"] == "gt" and by_name["ft"]["mark"] == "removed"
    assert {"part": "op", "key": "", "old": "ema", "new": "stop_grad"} in by_name["t"]["changes"]


def test_two_processes_say_the_same_and_never_import_torch(without_torch: Any) -> None:
    code = (
        "from graphssl.views.diff import diff\n"
        "for a, b in (('dino', 'dinov2'), ('moco_v2', 'byol')):\n"
        "    d = diff(a, b); print(d, d.to_json(), d._repr_svg_())\n"
    )
    first, second = (without_torch(code, hash_seed=seed) for seed in (1, 2))
    assert first == second and len(first) > 1000


def test_no_rule_knows_a_method() -> None:
    folder = Path(graphssl.__file__).parent / "views" / "diff"
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    assert len(code) > 1000
    assert not [m for m in method_files() if m not in registry() and re.search(rf"""["'`]{m}["'`]""", code)]


def test_orders_of_the_same_pair_mirror_each_other() -> None:
    for a, b in permutations(("byol", "simsiam", "ibot"), 2):
        there, back = diff(a, b), diff(b, a)
        assert {(n.old, n.new) for n in there.nodes} == {(n.new, n.old) for n in back.nodes}
