"""Methods of several stages: each is trained from the run before, and resumes to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import graphssl
from graphssl.runtime.options import Options
from graphssl.runtime.train import train
from tests.conftest import TOY_TRANSFORMER, toy_overrides
from tests.runtime.conftest import DATA
from tests.runtime.test_weights import TOY, weights

HEADS = {f"nodes.{node}.{key}": value for node in ("h", "hp") for key, value in (("hidden", [16]), ("bottleneck", 8))}
SMALL = {"nodes.large.size": 32, "nodes.small.size": 16, "train.batch_size": 16, "train.precision": "fp32"}
VIT = {
    "arch": "vit_tiny_patch16_224",
    "ffn": "mlp",
    "args": {**TOY_TRANSFORMER, "dynamic_img_size": True, "img_size": 32},
}


def run(method: str, out: Path, overrides: dict[str, Any], **more: Any) -> Path:
    """Two steps of a method into a run folder; once more with an interruption, which changes nothing."""
    options = {"data": DATA, "steps": 2, "eval_every": 0, "log_every": 1, "device": "cpu", **more}
    loaded = graphssl.load(method, overrides)
    assert [f.to_text() for f in loaded.findings] == []
    assert train(loaded, Options(out=str(out), **options)) == 0
    broken = out.with_name(f"{out.name}_broken")
    assert train(loaded, Options(out=str(broken), **{**options, "steps": 2, "checkpoint_every": 0.25})) == 0
    for checkpoint in sorted((broken / "checkpoints").glob("step-*"))[1:]:
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()
    assert train(loaded, Options(out=str(broken), resume=True, **options)) == 0
    one, two = weights(out), weights(broken)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    return out


@pytest.fixture
def two_heads(tmp_path: Path) -> Path:
    overrides = {**toy_overrides("dinov2"), **HEADS, "nodes.h.norm": "none"}
    return run("dinov2@quick@separate_heads", tmp_path / "dinov2", overrides)


def test_simclr_v2_is_pre_trained_fine_tuned_and_distilled(tmp_path: Path) -> None:
    pretrained = run("simclr_v2@quick", tmp_path / "pretrained", toy_overrides("simclr_v2"))
    tuned = run("simclr_v2_finetune@quick", tmp_path / "tuned", {**TOY, "params.run": str(pretrained)})
    distil = {"nodes.f.args": TOY["nodes.f.args"], "train.batch_size": 16, "nodes.teacher.from": str(tuned)}
    student = weights(run("simclr_v2_distill@quick", tmp_path / "student", distil))
    teacher = weights(tuned)
    assert torch.equal(student["teacher_f.conv1.weight"], teacher["f.conv1.weight"]), "fixed"
    assert not torch.equal(student["f.conv1.weight"], teacher["f.conv1.weight"])


def test_a_student_follows_a_finished_dinov2(two_heads: Path, tmp_path: Path) -> None:
    more = {"params.run": str(two_heads), "params.prototypes": 24, **SMALL, **HEADS}
    more |= {f"nodes.{n}.{k}": v for n in ("ht", "htp") for k, v in (("hidden", [16]), ("bottleneck", 8))}
    more |= {f"nodes.f.{k}": v for k, v in VIT.items()}
    found = weights(run("dinov2_distill", tmp_path / "student", more))
    teacher = weights(two_heads)
    assert torch.equal(found["teacher_ft.cls_token"], teacher["ft.cls_token"])
    assert torch.equal(found["htp.mlp.last.weight"], teacher["htp.mlp.last.weight"])


def test_the_last_stage_goes_on_from_a_finished_dinov2(two_heads: Path, tmp_path: Path) -> None:
    more = {"params.run": str(two_heads), "params.prototypes": 24, **SMALL, **HEADS, "nodes.large.size": 64}
    more |= {f"nodes.f.{k}": v for k, v in VIT.items()}
    more |= {"nodes.f.args.mlp_ratio": None, "nodes.mask.patch": 8, "nodes.s.room": 0.5, "nodes.t.room": 0.5}
    run("dinov2_highres", tmp_path / "large", more)
