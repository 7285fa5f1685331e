"""Checkpoints of others: known by their names, read into our nodes, and what is said of those that do not fit."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

import graphssl
from graphssl.language.runs import difference
from graphssl.ops.modules.encoder import encoder
from graphssl.ops.modules.vit import resized_as_dino
from graphssl.runtime.errors import RunError
from graphssl.runtime.released.file import read_file
from graphssl.runtime.released.importing import import_released
from graphssl.runtime.released.layouts import LAYOUTS
from graphssl.runtime.released.names import layers_of, unwrapped
from graphssl.runtime.released.positions import fit_positions, positions_as_released
from graphssl.runtime.weights import start_from_runs
from tests.conftest import TOY_TRANSFORMER
from tests.runtime.released import (
    Shapes,
    both,
    dino_head,
    dinov2,
    drawn,
    ibot_head,
    linear,
    meta,
    mlp,
    moco,
    moco_v3,
    resnet,
    saved,
    transformer,
    under,
)  # fmt: skip

SMALL, LARGE, GIANT = (384, 12), (1024, 24), (1536, 40)
VIT_S16 = transformer(*SMALL, 16, 14)
HEAD = dino_head(384, 2048, 256, 65536)
MOCO_V2_HEAD = linear("0", 2048, 2048) | linear("2", 2048, 128)

# title of the layout, names and shapes of the file, and timm's model of the same structure with its arguments
RELEASES: dict[str, tuple[str, Shapes, str, dict[str, Any]]] = {
    "moco v1 200ep": ("MoCo v1", moco(resnet(), {"weight": (128, 2048), "bias": (128,)}, keys=False), "resnet50", {}),
    "moco v2 800ep": ("MoCo v2", moco(resnet(), MOCO_V2_HEAD, keys=False), "resnet50", {}),
    "moco v2 training": ("MoCo v2", moco(resnet(), MOCO_V2_HEAD), "resnet50", {}),
    "moco v3 r-50": ("MoCo v3, ResNet",
                     moco_v3(resnet(), "fc", mlp(2, 2048, 4096, 256), mlp(2, 256, 4096, 256, last_norm=False)), "resnet50", {}),
    "moco v3 vit-s": ("MoCo v3, ViT", moco_v3(VIT_S16, "head", mlp(3, 384, 4096, 256), mlp(2, 256, 4096, 256)),
                      "vit_small_patch16_224", {"num_heads": 12}),
    "moco v3 vit-b": ("MoCo v3, ViT", moco_v3(transformer(768, 12, 16, 14), "head", mlp(3, 768, 4096, 256), mlp(2, 256, 4096, 256)),
                      "vit_base_patch16_224", {}),
    "dino vit-s/16, full": ("DINO", both(VIT_S16, HEAD), "vit_small_patch16_224", {}),
    "dino vit-s/16": ("vision transformer", VIT_S16, "vit_small_patch16_224", {}),
    "dino vit-b/8": ("vision transformer", transformer(768, 12, 8, 28), "vit_base_patch8_224", {}),
    "dino resnet50, full": ("DINO", both(resnet(), dino_head(2048, 2048, 256, 65536)), "resnet50", {}),
    "dino resnet50": ("ResNet", resnet(), "resnet50", {}),
    "ibot vit-s/16, full": ("iBOT", both(transformer(*SMALL, 16, 14, token="masked_embed"), ibot_head(384, 2048, 256, 8192)),
                            "vit_small_patch16_224", {}),
    "ibot vit-s/16, teacher": ("vision transformer", under("state_dict.", VIT_S16), "vit_small_patch16_224", {}),
    "dinov2 vit-s/14": ("DINOv2", transformer(*SMALL, 14, 37, gamma=True, token="mask_token"), "vit_small_patch14_dinov2", {}),
    "dinov2 vit-s/14, registers": ("DINOv2", transformer(*SMALL, 14, 37, gamma=True, token="mask_token", registers=4),
                                   "vit_small_patch14_reg4_dinov2", {}),
    "dinov2 vit-g/14": ("DINOv2, SwiGLU", transformer(*GIANT, 14, 37, hidden=4096, gamma=True, swiglu=True, token="mask_token"),
                        "vit_giant_patch14_dinov2", {}),
    "dinov2 vit-l/14, training": ("DINOv2 training", dinov2(transformer(*LARGE, 14, 16, gamma=True, token="mask_token", chunks=4),
                                                            dino_head(1024, 2048, 384, 131072)), "vit_large_patch14_dinov2", {"img_size": 224}),
    "dinov2 vit-g/14, training": ("DINOv2 training, SwiGLU",
                                  dinov2(transformer(*GIANT, 14, 16, hidden=4096, gamma=True, swiglu=True, token="mask_token", chunks=4),
                                         dino_head(1536, 2048, 384, 131072)), "vit_giant_patch14_dinov2", {"img_size": 224}),
    "torchvision": ("ResNet", resnet() | linear("fc", 2048, 1000), "resnet50", {}),
    "backbone of others, wrapped": ("ResNet", under("state_dict.module.backbone.", resnet()), "resnet50", {}),
}  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_is_known_by_its_names_and_has_every_tensor_of_the_model_and_no_other(release: str) -> None:
    title, shapes, arch, args = RELEASES[release]
    layout = next(each for each in LAYOUTS if each.networks_in(shapes))
    assert layout.title == title
    with torch.device("meta"):
        model = timm.create_model(arch, num_classes=0, **args)
    part = layout.part("encoder")
    assert part and layout.fits(model)
    for network in layout.networks_in(shapes):
        names = layout.read(part, network, shapes, layers_of(model))
        tensors = meta({ours: shapes[theirs[0]] for ours, theirs in names.items()})
        fit_positions(tensors, model)
        mine = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        assert difference(mine, {name: tuple(t.shape) for name, t in tensors.items()}, spare=("mask_token",)) is None


@pytest.mark.parametrize("release", RELEASES)
def test_the_names_of_an_encoder_written_back_are_those_of_the_release(release: str) -> None:
    _, shapes, _, _ = RELEASES[release]
    layout = next(each for each in LAYOUTS if each.networks_in(shapes))
    part, network = layout.part("encoder"), layout.networks_in(shapes)[0]
    assert part
    names = layout.read(part, network, shapes, [])
    back = layout.write(part, network, names, [])
    without_chunks = {
        re.sub(r"blocks\.\d+\.(\d+)\.", r"blocks.\1.", unwrapped(name)) for each in names.values() for name in each
    }
    assert {unwrapped(name) for name in back} == without_chunks
    assert set(back.values()) == set(names)


TOY = {"nodes.f.args": TOY_TRANSFORMER, "params.prototypes": 24, "nodes.h.hidden": [16], "nodes.h.bottleneck": 8}
MASKS = {**TOY, "nodes.mask.patch": 8}
BODY = transformer(16, 1, 8, 4)
DINO_HEAD = dino_head(16, 16, 8, 24, layers=2, batch=True)
# what the file holds, the method it is a checkpoint of, made as small
CHECKPOINTS: dict[str, tuple[Shapes, dict[str, Any]]] = {
    "dino": (both(BODY, DINO_HEAD), TOY),
    "ibot": (
        both(transformer(16, 1, 8, 4, token="masked_embed"), ibot_head(16, 16, 8, 24, layers=2, batch=True)),
        MASKS,
    ),
    "moco_v2": (
        moco(resnet((1, 1, 1, 1)), linear("0", 2048, 64) | linear("2", 64, 32)),
        {"nodes.f.args": {"layers": [1, 1, 1, 1]}, "nodes.g.dims": [64, 32], "params.queue": 512},
    ),
    "moco_v3": (
        moco_v3(resnet((1, 1, 1, 1)), "fc", mlp(2, 2048, 48, 16), mlp(2, 16, 48, 16, last_norm=False)),
        {"nodes.f.args": {"layers": [1, 1, 1, 1]}, "params.hidden": 48, "params.dim": 16},
    ),
}
REFERENCE = {"dino": "dino@quick", "ibot": "ibot@quick"}


@pytest.mark.parametrize("method", CHECKPOINTS)
def test_a_checkpoint_of_the_authors_becomes_a_run_and_comes_back_to_the_bit(method: str, tmp_path: Path) -> None:
    from graphssl.export.formats import export

    shapes, overrides = CHECKPOINTS[method]
    theirs = drawn(shapes)
    file = saved(theirs, tmp_path / "theirs.pth")
    lines = import_released(file, REFERENCE.get(method, method), tmp_path / "run", overrides)
    assert not any("not used" in line or "not in the file" in line for line in lines), lines
    export(tmp_path / "run", tmp_path / "back.pth", method)
    back = read_file(tmp_path / "back.pth")
    assert back.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(theirs[name], back[name])] == []


def test_a_backbone_alone_gives_the_features_of_timms_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32, **TOY_TRANSFORMER).eval()
    torch.save(model.state_dict(), tmp_path / "dino_tiny_pretrain.pth")
    change = {**TOY, "nodes.f.args": {**TOY_TRANSFORMER, "global_pool": "token"}}
    lines = import_released(tmp_path / "dino_tiny_pretrain.pth", "dino@quick", tmp_path / "run", change)
    assert "  not in the file, as the method begins them: h, ht" in lines
    with torch.no_grad():  # loading does not depend on it
        images, ours = torch.randn(3, 3, 32, 32), graphssl.load_encoder(tmp_path / "run")
        assert torch.equal(ours(images), model(images))


def test_registers_and_positions_of_dinov2_give_the_same_tokens_in_both_of_timms_forms() -> None:
    shapes = transformer(16, 1, 8, 4, gamma=True, registers=4)
    given = {name.replace("register_tokens", "reg_token"): tensor for name, tensor in drawn(shapes).items()}
    arguments = {**TOY_TRANSFORMER, "img_size": 32, "init_values": 1.0, "reg_tokens": 4}
    images, found, back = torch.randn(2, 3, 32, 32), [], []
    for no_embed_class in (True, False):
        model = timm.create_model(
            "vit_tiny_patch16_224", num_classes=0, no_embed_class=no_embed_class, **arguments
        ).eval()
        tensors = dict(given)
        fit_positions(tensors, model)
        model.load_state_dict(tensors)
        with torch.no_grad():
            found.append(model.forward_features(images))
        positions_as_released(tensors, model)
        back.append(tensors)
    torch.testing.assert_close(found[0], found[1])
    assert all(torch.equal(back[1][name], given[name]) for name in given), "nothing was added up"
    first = given["cls_token"] + given["pos_embed"][:, :1]
    assert torch.equal(back[0]["cls_token"] + back[0]["pos_embed"][:, :1], first)


def test_positions_of_larger_images_are_resized_as_the_encoder_would() -> None:
    model: Any = encoder("vit_tiny_patch16_224", image_sizes=(32,), position_scaling="dino", args=TOY_TRANSFORMER)
    given = torch.randn(1, 1 + 64, 16)
    tensors = {"cls_token": torch.zeros(1, 1, 16), "pos_embed": given}
    assert fit_positions(tensors, model) == "positions resized from 8×8 to 4×4"
    assert torch.equal(tensors["pos_embed"][:, 1:], resized_as_dino(given[:, 1:], (8, 8), (4, 4)))
    assert torch.equal(tensors["pos_embed"][:, :1], given[:, :1])


@pytest.fixture
def dino_file(tmp_path: Path) -> Path:
    return saved(drawn(CHECKPOINTS["dino"][0]), tmp_path / "dino.pth")


def dino(file: object, **more: Any) -> Any:
    return graphssl.load("dino@quick", {**TOY, "nodes.f.from": str(file), **more})


@pytest.mark.parametrize(
    ("word", "prefix"), [("", "teacher."), (":teacher", "teacher."), (":student", "student.module.")]
)
def test_a_node_starts_from_a_network_of_a_file_and_its_copy_likewise(dino_file: Path, word: str, prefix: str) -> None:
    method = dino(f"{dino_file}{word}", **{"nodes.h.from": str(dino_file)})
    assert method.findings == []
    module: Any = graphssl.compile(method)
    told = start_from_runs(module, method.checked_graph())
    theirs = read_file(dino_file)
    assert torch.equal(module.f.cls_token, theirs[f"{prefix}backbone.cls_token"])
    assert torch.equal(module.ft.cls_token, module.f.cls_token)
    assert torch.equal(module.h.mlp.last.weight, theirs["teacher.head.mlp.3.weight"])
    assert told[0].startswith(f"f starts as `{prefix.split('.')[0]}` of {dino_file} (DINO): 18 tensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"nodes.f.args": {**TOY_TRANSFORMER, "embed_dim": 32}},
            "it has `cls_token` of shape (1 1 32), there it is (1 1 16)",
        ),
        ({"nodes.f.args": {**TOY_TRANSFORMER, "depth": 2}}, "it needs `blocks.1.norm1.weight`, which is not there"),
        ({"nodes.f.from": "FILE:techer"}, "has no network `techer`: write `teacher`"),
    ],
)
def test_a_check_names_the_first_tensor_that_does_not_fit(dino_file: Path, change: dict[str, Any], words: str) -> None:
    change = {
        key: value.replace("FILE", str(dino_file)) if isinstance(value, str) else value for key, value in change.items()
    }
    [found] = dino(dino_file, **change).findings
    assert (found.code, found.node) == ("run-differs", "f")
    assert words in found.message


def test_a_file_that_is_not_there_is_told_without_torch(tmp_path: Path) -> None:
    [found] = dino(tmp_path / "none.pth").static
    assert found.code == "no-such-run" and "does not exist" in found.message


def test_a_frozen_network_needs_more_than_weights(dino_file: Path) -> None:
    text = (
        f"graphssl: 1\nextends: dino@quick\nname: x\nnodes:\n  t: {{op: frozen, of: f, from: {dino_file}, in: large}}\n"
    )
    assert any("graphssl import dino.pth" in (found.help or "") for found in graphssl.load(text).static)


def test_a_network_of_another_kind_makes_no_folder(dino_file: Path, tmp_path: Path) -> None:
    for method, words in (("simclr@quick", "it needs `conv1.weight`"), ("dino@quick", "it has `cls_token` of shape")):
        with pytest.raises(RunError, match=re.escape(words)):
            import_released(dino_file, method, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_is_left_alone(dino_file: Path, tmp_path: Path) -> None:
    import_released(dino_file, "dino@quick", tmp_path / "run", TOY)
    before = (tmp_path / "run" / "summary.json").read_text()
    with pytest.raises(RunError, match="holds a run"):
        import_released(dino_file, "dino@quick", tmp_path / "run", TOY)
    assert (tmp_path / "run" / "summary.json").read_text() == before


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch pwned",)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2000])


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut short": (cut, "it is cut short at"),
    "empty": (lambda file: file.write_bytes(b""), "cannot read"),
    "text": (lambda file: file.write_text("<html>not found</html>"), "no checkpoint of PyTorch"),
    "code": (lambda file: torch.save({"state_dict": Evil()}, file), "what could execute code is not loaded"),
    "a bare pickle of code": (lambda file: file.write_bytes(pickle.dumps(Evil())), "cannot read|could execute"),
    "a list": (lambda file: torch.save([torch.zeros(2)], file), "holds no tensors by name"),
    "a pipe": (lambda file: (file.unlink(), os.mkfifo(file)), "no plain file"),
}


@pytest.mark.parametrize("shapes", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_no_checkpoint_is_one_sentence_and_executes_nothing(
    dino_file: Path, damage: str, shapes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dino_file.parent)
    make, words = DAMAGES[damage]
    make(dino_file)
    with pytest.raises(RunError, match=words) as caught:
        read_file(dino_file, shapes=shapes)
    assert "\n" not in str(caught.value) and str(dino_file) in str(caught.value)
    assert not Path("pwned").exists()


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "before torch 1.6"])
def test_both_formats_of_torch_are_read(tmp_path: Path, how: dict[str, Any]) -> None:
    theirs = drawn(CHECKPOINTS["dino"][0])
    file = saved(theirs, tmp_path / "x.pth.tar", **how)
    assert all(torch.equal(theirs[name], tensor) for name, tensor in read_file(file).items())
    assert all(tensor.is_meta for tensor in read_file(file, shapes=True).values())
