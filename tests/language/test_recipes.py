"""Augmentation recipes are data: named, taken over, patched; steps keep their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphssl
from graphssl.language import recipes
from graphssl.pipeline import Method

REST = """
  f: {op: encoder, in: [v, w], arch: resnet18, batch: joint}
  z: {op: gather, in: f}
  loss: {op: nt_xent, in: z}
represent: f
train: {optimizer: adamw, lr: 1e-3, epochs: 10, batch_size: 64}
"""


def load(v: str, w: str = "{op: augment, recipe: quick, size: 32}") -> Method:
    return graphssl.load(f"graphssl: 1\nname: m\nnodes:\n  v: {v}\n  w: {w}{REST}")


def steps(method: Method, node: str = "v") -> list[tuple[str, Any]]:
    assert [f.to_text() for f in method.static] == []
    return list(method.checked_graph().nodes[node].attrs["steps"])


def names(method: Method, node: str = "v") -> list[str]:
    return [name for name, _ in steps(method, node)]


BYOL_1 = ["crop", "flip", "jitter", "grayscale", "blur", "solarize", "normalize"]


def test_a_recipe_gives_its_steps_in_order() -> None:
    assert names(load("{op: augment, recipe: byol_1, size: 32}")) == BYOL_1


def test_a_patch_changes_a_step_in_its_place() -> None:
    method = load("{op: augment, recipe: byol_1, size: 32, steps: {blur: {p: 0.1}}}")
    assert names(method) == BYOL_1
    blur = dict(steps(method))["blur"]
    assert (blur["p"], blur["sigma"]) == (0.1, [0.1, 2.0])


def test_a_patch_may_delete_and_replace_steps() -> None:
    method = load(
        "{op: augment, recipe: byol_1, size: 32, steps: {blur: null, crop: {$replace: true, scale: [0.5, 1]}}}"
    )
    assert names(method) == [name for name in BYOL_1 if name != "blur"]
    assert dict(steps(method))["crop"]["interpolation"] == "bilinear"


def test_a_child_file_may_patch_the_patch(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(
        "graphssl: 1\nname: m\nnodes:\n  v: {op: augment, recipe: byol_1, size: 32, steps: {blur: null, flip: {p: 0}}}\n"
        f"  w: {{op: augment, recipe: quick, size: 32}}{REST}"
    )
    child = tmp_path / "child.yaml"
    child.write_text("extends: base.yaml\nname: c\nnodes: {v: {steps: {blur: {p: 0.3}, solarize: null}}}\n")
    assert "blur" not in names(graphssl.load(str(base)))
    method = graphssl.load(str(child))
    assert names(method) == [name for name in BYOL_1 if name != "solarize"]
    found = dict(steps(method))
    assert (found["blur"]["p"], found["flip"]["p"]) == (0.3, 0)


def test_like_takes_the_steps_of_another_node_and_patches_them() -> None:
    method = load(
        "{op: augment, recipe: byol_1, size: 32}",
        "{op: augment, like: v, size: 32, steps: {blur: {p: 0.1}, flip: null}}",
    )
    assert names(method, "w") == [name for name in BYOL_1 if name != "flip"]
    assert dict(steps(method, "w"))["blur"]["p"] == 0.1
    assert dict(steps(method, "v"))["blur"]["p"] == 1.0


def test_like_may_point_backwards_and_forwards_and_through() -> None:
    method = load("{op: augment, like: w, size: 32}", "{op: augment, recipe: byol_1, size: 32}")
    assert names(method, "v") == BYOL_1


def test_views_are_a_list_of_recipes_and_one_patch_goes_to_all() -> None:
    method = graphssl.load(
        "graphssl: 1\nname: m\nnodes:\n  v: {op: augment, views: [byol_1, byol_2], size: 32, steps: {flip: {p: 0.0}}}\n"
        + REST.replace("[v, w]", "v")
    )
    assert [f.to_text() for f in method.static] == []
    node = method.checked_graph().nodes["v"]
    assert [dict(view)["flip"]["p"] for view in node.attrs["views"]] == [0.0, 0.0]
    assert [dict(view)["blur"]["p"] for view in node.attrs["views"]] == [1.0, 0.1]
    assert [value.view for value in node.outputs["image"].values] == ["v.0", "v.1"]


def test_steps_may_be_spelt_out() -> None:
    assert names(load("{op: augment, size: 32, steps: {crop: {}, normalize: imagenet}}")) == ["crop", "normalize"]


def test_the_origin_of_a_step_is_the_recipes_file() -> None:
    method = load("{op: augment, recipe: byol_1, size: 32, steps: {blur: {p: 2}}}")
    (finding,) = method.static
    assert finding.code == "wrong-value"
    assert finding.span is not None
    assert finding.span.source.name == "<text>"


def test_a_recipe_file_without_steps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("doc: no steps\n")
    monkeypatch.setattr(recipes, "recipe_files", lambda: {"bad": path})
    assert [f.code for f in load("{op: augment, recipe: bad, size: 32}").static] == ["bad-recipe"]
