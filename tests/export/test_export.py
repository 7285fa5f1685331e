"""Exports load in the tools they are for and give the encoder's features; what cannot be is said, and nothing is left."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
import yaml

import graphssl
from graphssl.cli import main
from graphssl.export import onnx, plain
from graphssl.export.formats import export
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.released.importing import import_released
from tests.runtime.released import drawn

Trained = Callable[[str], Path]
Changed = Callable[..., Path]


def images(run: Path, count: int = 3) -> torch.Tensor:
    size = graphssl.load_encoder(run).size
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))


def made_by(note: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model that the Python in a note makes, run where the note lies."""
    [code] = re.findall(r"```python\n(.*?)```", note.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    monkeypatch.chdir(note.parent)
    exec(code, names)
    return names["model"].eval()


def same(model: Any, run: Path) -> bool:
    encoder, x = graphssl.load_encoder(run), images(run)
    with torch.no_grad():
        return torch.equal(model(x), encoder.backbone(x))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("method", ["simclr", "dino", "ibot"])
def test_timm_makes_the_same_features_of_the_file_by_the_call_in_the_note(
    trained: Trained, method: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(method)
    lines = export(run, tmp_path / f"encoder.{suffix}", "timm")
    assert same(made_by(tmp_path / f"encoder.{suffix}.md", monkeypatch), run)
    assert any("3×3 stem of stride 2" in line for line in lines) is (method == "simclr")
    assert "mask_token" not in timm.models.load_state_dict(str(tmp_path / f"encoder.{suffix}"))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_swiglu_encoder_is_made_by_the_call_in_the_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"nodes.f.ffn": "swiglu", "nodes.f.args": {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}}
    state = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=32, mlp_layer=timm.layers.SwiGLUPacked, act_layer=torch.nn.SiLU,
        **changes["nodes.f.args"],  # type: ignore[arg-type]
    ).state_dict()  # fmt: skip
    torch.save(state, tmp_path / "vit.pth")
    import_released(tmp_path / "vit.pth", "dino@quick", tmp_path / "run", {**changes, "params.prototypes": 24})
    export(tmp_path / "run", tmp_path / "encoder.pth", "timm")
    assert same(made_by(tmp_path / "encoder.pth.md", monkeypatch), tmp_path / "run")
    lines = export(tmp_path / "run", tmp_path / "folder", "safetensors")
    assert any("SwiGLUPacked" in line for line in lines)
    assert same(made_by(tmp_path / "folder" / "README.md", monkeypatch), tmp_path / "run")


@pytest.mark.parametrize("method", ["simclr", "dino"])
def test_a_folder_for_the_hub_is_loaded_by_timm_and_tells_what_it_is(
    changed: Changed, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = changed(method), tmp_path / "folder"
    RunFolder(run).record_evaluation(
        "knn", {"data": "/home/me/secret/cifar", "top1": 0.5125, "k": 20, "temperature": 0.07}
    )
    export(run, out, "safetensors")
    assert {path.name for path in out.iterdir()} == {
        "model.safetensors", "config.json", "README.md", "method.yaml", "method.svg",
    }  # fmt: skip
    front, text = (out / "README.md").read_text().removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["library_name"] == "timm" and method in yaml.safe_load(front)["tags"]
    assert "| knn | step 4, data cifar, top1 0.5125, k 20, temperature 0.07 |" in text
    assert "No license is given" in text
    config = json.loads((out / "config.json").read_text())
    assert config["pretrained_cfg"]["input_size"] == [3, 32, 32] and config["pretrained_cfg"]["crop_pct"] == 1.0
    if method == "dino":
        assert same(timm.create_model(f"local-dir:{out}", pretrained=True).eval(), run)
    else:
        assert same(made_by(out / "README.md", monkeypatch), run)


def test_timms_own_transform_gives_the_images_of_the_evaluation(trained: Trained, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    export(trained("dino"), tmp_path / "folder", "safetensors")
    model = timm.create_model(f"local-dir:{tmp_path / 'folder'}", pretrained=True)
    theirs = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    torch.testing.assert_close(theirs(image), graphssl.load_encoder(trained("dino")).transform(image))


@pytest.mark.parametrize("method", [pytest.param("simclr", marks=pytest.mark.slow), "dino"])
def test_onnxruntime_and_torch_export_give_the_features_of_any_number_of_images(
    trained: Trained, method: str, tmp_path: Path
) -> None:
    import onnxruntime

    run = trained(method)
    encoder, x = graphssl.load_encoder(run), images(run, 5)
    [line] = export(run, tmp_path / "encoder.onnx", "onnx")
    assert re.search(r"greatest difference to torch \d", line)
    session = onnxruntime.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    [given] = session.run(["features"], {"images": x.numpy()})
    export(run, tmp_path / "encoder.pt2", "torch")
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(given), encoder(x), atol=1e-4, rtol=0)
        torch.testing.assert_close(torch.export.load(tmp_path / "encoder.pt2").module()(x), encoder(x))
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_onnx_has_the_whole_path_to_represent_and_timm_says_that_it_has_not(changed: Changed, tmp_path: Path) -> None:
    run = changed("simclr", represent="g.hidden.0")
    encoder = graphssl.load_encoder(run)
    export(run, tmp_path / "whole.pt2", "torch")
    x = images(run)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load(tmp_path / "whole.pt2").module()(x), encoder(x))
    assert encoder.width != encoder.backbone.num_features
    lines = export(run, tmp_path / "backbone.pth", "timm")
    assert any("the run is evaluated on `g.hidden.0`, and this is its backbone alone" in line for line in lines)


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_torchvision_loads_every_name_but_the_classifiers(
    stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in torchvision.models.resnet18().state_dict().items()}
    theirs = drawn(shapes)
    if stem == "cifar":
        theirs["conv1.weight"] = torch.rand(64, 3, 3, 3)
    torch.save(theirs, tmp_path / "resnet18.pth")
    changes = {
        "nodes.f.arch": "resnet18",
        "nodes.f.stem": stem,
        "params.queue": 512,
        "nodes.vq.size": 32,
        "nodes.vk.size": 32,
    }
    import_released(tmp_path / "resnet18.pth", "moco_v2", tmp_path / "run", changes)
    export(tmp_path / "run", tmp_path / "back.pth", "torchvision")
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert back.keys() == {name for name in theirs if not name.startswith("fc.")}
    assert all(torch.equal(back[name], theirs[name]) for name in back)
    model = made_by(tmp_path / "back.pth.md", monkeypatch)
    assert isinstance(model, torchvision.models.ResNet) and same(model, tmp_path / "run")


@pytest.mark.parametrize(
    ("method", "format", "words"),
    [("dino", "torchvision", "torchvision has no ResNet called `vit_tiny_patch16_224`"),
     ("simclr", "torchvision", "has no arguments channels"),
     ("dino", "timm", "timm reads files called .pth"), ("dino", "onnx", "is called .onnx"), ("dino", "torch", "called .pt2")],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_told_and_nothing_is_left(
    trained: Trained, method: str, format: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=re.escape(words)):
        export(trained(method), tmp_path / "encoder.x", format)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_written_over_only_when_asked(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "folder"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match=r"exists: choose another -o, or write over it with --force"):
        export(trained("dino"), out, "safetensors")
    assert (out / "mine.txt").exists()
    export(trained("dino"), out, "safetensors", force=True)
    assert (out / "model.safetensors").exists() and (out / "mine.txt").read_text() == "mine"
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(RunError, match=r"folder.pth` is a folder"):
        export(trained("dino"), tmp_path / "folder.pth", "timm", force=True)
    (tmp_path / "encoder.pth.md").write_text("my notes")
    with pytest.raises(RunError, match=r"encoder.pth.md` exists"):
        export(trained("dino"), tmp_path / "encoder.pth", "timm")
    assert (tmp_path / "encoder.pth.md").read_text() == "my notes" and not (tmp_path / "encoder.pth").exists()


def test_a_model_with_other_features_is_never_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(self: Any) -> dict[str, torch.Tensor]:
        return {name: tensor.detach() + 1e-6 for name, tensor in self.source.encoder.backbone.state_dict().items()}

    monkeypatch.setattr(plain.Plain, "state", property(shifted))
    with pytest.raises(RunError, match="does not give the features of this run"):
        export(trained("dino"), tmp_path / "encoder.pth", "timm")
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    with pytest.raises(RunError, match="onnxruntime differs from torch"):
        export(trained("dino"), tmp_path / "encoder.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_of_onnx_are_one_sentence(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    with pytest.raises(RunError, match=r"needs onnxscript: pip install graphssl\[onnx\]"):
        export(trained("dino"), tmp_path / "encoder.onnx", "onnx")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(trained: Trained, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot write"):
        export(trained("dino"), tmp_path / "encoder.pth", "timm")


class Hub:
    """Stands in for huggingface_hub's HfApi."""

    calls: list[tuple[str, Any]] = []
    error: Exception | None = None

    def create_repo(self, repository: str, **how: Any) -> None:
        if self.error:
            raise self.error
        self.calls.append((repository, how))

    def upload_folder(self, *, repo_id: str, folder_path: str) -> str:
        self.calls.append((repo_id, sorted(path.name for path in Path(folder_path).iterdir())))
        return f"https://example.org/{repo_id}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr(Hub, "calls", [])
    return Hub


def test_pushing_is_done_when_asked_and_never_else(
    trained: Trained, tmp_path: Path, hub: type[Hub], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(trained("dino")), "--format", "safetensors", "-o"]
    assert main([*words, str(tmp_path / "a")]) == 0
    assert hub.calls == []
    assert main([*words, str(tmp_path / "b"), "--push", "me/model"]) == 0
    assert hub.calls[0] == ("me/model", {"private": True, "exist_ok": True})
    assert hub.calls[1][1] == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert "pushed to https://example.org/me/model" in capsys.readouterr().out


def test_a_hub_that_refuses_is_one_sentence_and_the_folder_stays(
    trained: Trained,
    tmp_path: Path,
    hub: type[Hub],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "error", OSError("you are not logged in\nand more"))
    words = ["export", str(trained("dino")), "--format", "safetensors", "--push", "me/model", "-o", str(tmp_path / "a")]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "is written, but could not be pushed to `me/model`: you are not logged in" in told and "and more" not in told
    assert (tmp_path / "a" / "model.safetensors").exists()


def test_the_commands_tell_what_they_did(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(trained("dino")), "-o", str(tmp_path / "dino.pth"), "--format", "dino"]) == 0
    assert "tensors of `ft` as teacher" in capsys.readouterr().out
    changes = ["--set", "nodes.f.args={patch_size: 8, embed_dim: 16, depth: 1, num_heads: 2}", "--set", "params.prototypes=24",
               "--set", "nodes.h.hidden=[16]", "--set", "nodes.h.bottleneck=8"]  # fmt: skip
    out = tmp_path / "run"
    assert main(["import", str(tmp_path / "dino.pth"), "--as", "dino@quick", "-o", str(out), *changes]) == 0
    assert "DINO" in capsys.readouterr().out
    x = images(trained("dino"))
    with torch.no_grad():
        assert torch.equal(graphssl.load_encoder(out)(x), graphssl.load_encoder(trained("dino"))(x))
    assert main(["eval", "knn", str(out), "--data", "shapes:32,64"]) == 0
    assert main(["import", str(tmp_path / "none.pth"), "--as", "dino", "-o", str(tmp_path / "x")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_the_words_of_the_command_are_the_formats() -> None:
    from graphssl.cli.parsers.exporting import AUTHORS, FORMATS
    from graphssl.export.formats import FORMATS as WRITERS

    assert {*FORMATS, *AUTHORS} == WRITERS.keys()
