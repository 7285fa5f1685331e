"""The encoder: stems, ports and sizes of timm models."""

from __future__ import annotations

import pytest
import torch

from graphssl.ops.modules.encoder import encoder, take


def test_the_cifar_stem_keeps_the_resolution_and_has_no_max_pool() -> None:
    model = encoder("resnet18", stem="cifar", image_sizes=[32])
    assert model.conv1.kernel_size == (3, 3)
    assert model.conv1.stride == (1, 1)
    assert isinstance(model.maxpool, torch.nn.Identity)


@pytest.mark.parametrize(("size", "kernel"), [(32, 3), (64, 3), (96, 7), (224, 7)])
def test_auto_chooses_the_stem_by_image_size(size: int, kernel: int) -> None:
    with torch.device("meta"):
        assert encoder("resnet18", image_sizes=[size]).conv1.kernel_size == (kernel, kernel)


def test_a_vision_transformer_gives_every_port_with_its_shape() -> None:
    with torch.device("meta"):
        model = encoder("vit_tiny_patch16_224", image_sizes=[64])
        x = torch.empty(2, 3, 64, 64)
    out = take(model, x, "pooled", "cls", "patch", "map", "blocks.-2", "blocks.0")
    shapes = {port: tuple(value.shape) for port, value in out.items()}
    assert shapes["pooled"] == shapes["cls"] == (2, 192)
    assert shapes["patch"] == shapes["blocks.-2"] == shapes["blocks.0"] == (2, 16, 192)
    assert shapes["map"] == (2, 192, 4, 4)


@pytest.mark.parametrize("args", [{}, {"reg_tokens": 4}])
def test_tokens_behind_a_block_are_split_into_class_and_patches(args: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = encoder(
        "vit_tiny_patch16_224", image_sizes=[32], args={"depth": 3, "embed_dim": 24, "num_heads": 2, **args}
    ).eval()
    x = torch.randn(2, 3, 32, 32)
    out = take(model, x, "blocks.-1", "blocks.-1.cls", "blocks.0.cls", "cls", "patch", "blocks.2.cls")
    torch.testing.assert_close(out["blocks.-1"], out["patch"])
    for port in ("blocks.-1.cls", "blocks.2.cls"):
        torch.testing.assert_close(out[port], out["cls"])
    first = model.norm(model.blocks[0](model.norm_pre(model._pos_embed(model.patch_embed(x)))))
    torch.testing.assert_close(out["blocks.0.cls"], first[:, 0])


def test_a_convnet_gives_a_map_and_refuses_a_class_token() -> None:
    with torch.device("meta"):
        model = encoder("resnet18", image_sizes=[224])
        x = torch.empty(2, 3, 224, 224)
    assert tuple(take(model, x, "map")["map"].shape) == (2, 512, 7, 7)
    with pytest.raises(ValueError, match="no class token"):
        take(model, x, "cls")


def test_an_unknown_model_names_the_closest() -> None:
    with pytest.raises(ValueError, match="resnet50"):
        encoder("resnet5O")


def test_several_sizes_make_a_transformer_take_them_all() -> None:
    with torch.device("meta"):
        model = encoder("vit_tiny_patch16_224", image_sizes=[64, 32])
        assert tuple(model(torch.empty(1, 3, 32, 32)).shape) == (1, 192)
