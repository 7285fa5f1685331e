"""All bundled methods: what every recipe must hold. The details of each family are in the other files of this folder."""

from __future__ import annotations

import pytest
import torch

from graphssl.ops.modules.encoder import encoder
from tests.conftest import TOY_TRANSFORMER
from tests.graphs.paper import attrs, steps


@pytest.mark.parametrize(
    ("method", "node", "normalize"),
    [("moco_v1", "vq", "imagenet"), ("moco_v2", "vq", "imagenet"), ("moco_v3", "v1", "imagenet"), ("byol", "v1", "imagenet"),
     ("simsiam", "v1", "imagenet"), ("simclr", "v1", "none"), ("simclr_v2", "v1", "none")],
)  # fmt: skip
def test_views_have_224_pixels_a_flip_of_one_half_and_imagenets_constants(
    method: str, node: str, normalize: str
) -> None:
    _, found = steps(method, node)
    assert (attrs(method, node)["size"], found["flip"]["p"]) == (224, 0.5)
    assert found["normalize"] == normalize


def test_the_bias_of_keys_gets_no_gradient() -> None:
    """Softmax takes away what is added to all keys alike: Adam moves it by rounding noise, so compare it in float64."""
    torch.manual_seed(0)
    model = encoder("vit_tiny_patch16_224", image_sizes=[16], args=TOY_TRANSFORMER).double()
    model(torch.randn(2, 3, 16, 16, dtype=torch.float64)).square().sum().backward()
    query, key, value = (part.abs().max().item() for part in model.blocks[0].attn.qkv.bias.grad.chunk(3))
    assert key < 1e-12 * value and query > 1e-6 * value
