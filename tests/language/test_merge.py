"""`extends`, `variants`, `null`, `$replace`: what lies over what, and where each value comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphssl.language.diagnostics import Finding, GraphError
from graphssl.language.resolve import locate, resolve, variants_of
from graphssl.language.tree import Mapping, Tree, at, plain
from graphssl.pipeline import load

BASE = """\
graphssl: 1
name: base
params: {width: {default: 64, min: 8, max: 128}}
nodes:
  f: {op: encoder, arch: resnet50, args: {a: 1, b: 2}}
  g: {op: projector, in: f, dims: ["${width}", 32]}
train: {optimizer: {name: sgd, momentum: 0.9}, epochs: 100}
variants:
  small: {nodes: {f: {arch: resnet18}}, params: {width: 16}}
  tiny: {extends: small, nodes: {f: {args: {b: null}}}}
"""
CHILD = """\
graphssl: 1
extends: base.yaml
name: child
nodes:
  f: {args: {c: 3}}
  g: null
  h: {op: label}
train: {optimizer: {$replace: true, name: adamw}}
variants:
  small: {nodes: {f: {args: {d: 4}}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flat(reference: str, *overrides: str) -> tuple[Mapping, list[Finding]]:
    found: list[Finding] = []
    return resolve(reference, overrides, found.append), found


def value(tree: Tree, *path: str) -> Any:
    return plain(at(tree, list(path)))


@pytest.mark.usefixtures("folder")
class TestMerging:
    def test_maps_merge_and_everything_else_is_replaced(self) -> None:
        tree, found = flat("child.yaml")
        assert found == []
        assert value(tree, "nodes", "f") == {"op": "encoder", "arch": "resnet50", "args": {"a": 1, "b": 2, "c": 3}}
        assert value(tree, "name") == "child"

    def test_null_deletes(self) -> None:
        tree, _ = flat("child.yaml")
        assert "g" not in tree.entries["nodes"].value  # type: ignore[operator]

    def test_replace_takes_a_map_whole(self) -> None:
        tree, _ = flat("child.yaml")
        assert value(tree, "train") == {"optimizer": {"name": "adamw"}, "epochs": 100}

    def test_a_variant_lies_over_the_file(self) -> None:
        tree, _ = flat("base.yaml@small")
        assert value(tree, "nodes", "f", "arch") == "resnet18"
        assert value(tree, "nodes", "g", "dims") == [16, 32]

    def test_a_variant_extends_another(self) -> None:
        tree, _ = flat("base.yaml@tiny")
        assert value(tree, "nodes", "f") == {"op": "encoder", "arch": "resnet18", "args": {"a": 1}}

    def test_a_child_adds_to_its_parents_variant(self) -> None:
        tree, _ = flat("child.yaml@small")
        assert value(tree, "nodes", "f") == {
            "op": "encoder",
            "arch": "resnet18",
            "args": {"a": 1, "b": 2, "c": 3, "d": 4},
        }

    def test_variants_stack(self) -> None:
        tree, _ = flat("base.yaml@small@tiny")
        assert value(tree, "nodes", "f", "arch") == "resnet18"

    def test_a_parent_may_be_a_variant(self, folder: Path) -> None:
        (folder / "grandchild.yaml").write_text("extends: child.yaml@small\nname: grandchild\n")
        tree, _ = flat("grandchild.yaml")
        assert value(tree, "nodes", "f", "arch") == "resnet18"
        assert value(tree, "name") == "grandchild"

    def test_each_value_keeps_the_place_that_set_it(self) -> None:
        tree, _ = flat("child.yaml@small", "train.epochs=5")
        places = {
            ("nodes", "f", "op"): "base.yaml:5",
            ("nodes", "f", "arch"): "base.yaml:9",
            ("nodes", "f", "args", "c"): "child.yaml:5",
            ("nodes", "f", "args", "d"): "child.yaml:10",
            ("train", "optimizer", "name"): "child.yaml:8",
            ("train", "epochs"): "--set:1",
        }
        assert {path: at(tree, list(path)).span.place for path in places} == places

    def test_a_parameter_keeps_its_own_place(self) -> None:
        tree, _ = flat("base.yaml@small")
        assert at(tree, ["nodes", "g", "dims", 0]).span.place == "base.yaml:9"

    def test_the_bounds_of_a_parameter_hold_for_variants_and_overrides(self) -> None:
        _, found = flat("base.yaml", "params.width=4")
        assert [(f.code, str(f.span)) for f in found] == [("wrong-value", "--set:1:14")]

    def test_deleting_what_is_not_there_is_an_error(self) -> None:
        _, found = flat("base.yaml", "nodes.f.arhc=null")
        assert [(f.code, f.help) for f in found] == [("deletes-nothing", "write `arch: null` to delete that")]

    def test_a_missing_variant_names_the_closest(self) -> None:
        _, found = flat("base.yaml@smal")
        assert [(f.code, f.help) for f in found] == [("unknown-variant", "write `small`")]

    def test_parents_in_a_circle_are_an_error(self, folder: Path) -> None:
        (folder / "base.yaml").write_text("extends: child.yaml\nname: base\n")
        with pytest.raises(GraphError) as caught:
            flat("child.yaml")
        assert caught.value.findings[0].code == "extends-cycle"


def test_a_child_deletes_or_replaces_a_variant_of_its_parent(tmp_path: Path) -> None:
    child = tmp_path / "child.yaml"
    child.write_text(
        "graphssl: 1\nextends: simclr\nname: mine\nvariants:\n  demo: null\n  cifar10: {$replace: true, train: {epochs: 7}}\n  no: null\n"
    )
    assert "demo" not in variants_of(locate(str(child))[0])
    found = load(f"{child}@cifar10")
    assert found.graph is not None and found.graph.train is not None
    assert (found.graph.train.epochs, found.graph.train.batch_size) == (7, 4096)
    assert [f.code for f in load(str(child)).findings] == ["deletes-nothing"]
