"""Names and shapes of released checkpoints, written out from the authors' code: `{name: shape}`, and files of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def linear(name: str, inner: int, outer: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outer, inner), **({f"{name}.bias": (outer,)} if bias else {})}


def norm(name: str, d: int, affine: bool = True, batch: bool = False) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (d,), f"{name}.bias": (d,)} if affine else {}
    if batch:
        shapes |= {f"{name}.running_mean": (d,), f"{name}.running_var": (d,), f"{name}.num_batches_tracked": ()}
    return shapes


def transformer(
    d: int, depth: int, patch: int, side: int, *, hidden: int = 0, gamma: bool = False, swiglu: bool = False,
    registers: int = 0, chunks: int = 0, token: str = "",
) -> Shapes:  # fmt: skip
    """dino:vision_transformer.py; dinov2:models/vision_transformer.py with `ls1.gamma`, SwiGLU (w12, w3), registers, block chunks.

    token: name of the vector for masked patches. side: patches in a row.
    """
    hidden = hidden or 4 * d
    shapes: Shapes = {
        "cls_token": (1, 1, d),
        "pos_embed": (1, side * side + 1, d),
        **({token: (1, d)} if token else {}),
    }
    shapes |= {"register_tokens": (1, registers, d)} if registers else {}
    shapes |= {"patch_embed.proj.weight": (d, 3, patch, patch), "patch_embed.proj.bias": (d,)}
    for i in range(depth):
        block = f"blocks.{i // (depth // chunks)}.{i}" if chunks else f"blocks.{i}"
        shapes |= norm(f"{block}.norm1", d) | linear(f"{block}.attn.qkv", d, 3 * d) | linear(f"{block}.attn.proj", d, d)
        shapes |= {f"{block}.ls1.gamma": (d,), f"{block}.ls2.gamma": (d,)} if gamma else {}
        shapes |= norm(f"{block}.norm2", d)
        if swiglu:
            shapes |= linear(f"{block}.mlp.w12", d, 2 * hidden) | linear(f"{block}.mlp.w3", hidden, d)
        else:
            shapes |= linear(f"{block}.mlp.fc1", d, hidden) | linear(f"{block}.mlp.fc2", hidden, d)
    return shapes | norm("norm", d)


def resnet(layers: tuple[int, ...] = (3, 4, 6, 3)) -> Shapes:
    """torchvision:models/resnet.py, bottlenecks, without `fc`."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64, batch=True)}
    width = 64
    for stage, count in enumerate(layers):
        inner = 64 * 2**stage
        for i in range(count):
            block = f"layer{stage + 1}.{i}"
            for n, (a, b, k) in enumerate(((width, inner, 1), (inner, inner, 3), (inner, 4 * inner, 1)), start=1):
                shapes |= {f"{block}.conv{n}.weight": (b, a, k, k), **norm(f"{block}.bn{n}", b, batch=True)}
            if i == 0:
                shapes |= {f"{block}.downsample.0.weight": (4 * inner, width, 1, 1)}
                shapes |= norm(f"{block}.downsample.1", 4 * inner, batch=True)
            width = 4 * inner
    return shapes


def mlp(layers: int, inner: int, hidden: int, outer: int, *, last_norm: bool = True) -> Shapes:
    """moco-v3:moco/builder.py, _build_mlp: Linear without bias, BatchNorm, ReLU; the last BatchNorm without γ and β."""
    shapes: Shapes = {}
    for i in range(layers):
        a, b = inner if i == 0 else hidden, outer if i == layers - 1 else hidden
        shapes |= linear(str(3 * i), a, b, bias=False)
        if i < layers - 1 or last_norm:
            shapes |= norm(str(3 * i + 1), b, affine=i < layers - 1, batch=True)
    return shapes


def dino_head(d: int, hidden: int, bottleneck: int, count: int, *, layers: int = 3, batch: bool = False) -> Shapes:
    """dino:vision_transformer.py, DINOHead; `batch`: with `use_bn`."""
    widths, step = [d, *[hidden] * (layers - 1), bottleneck], 3 if batch else 2
    shapes: Shapes = {}
    for i in range(layers):
        shapes |= linear(f"mlp.{step * i}", widths[i], widths[i + 1])
        if batch and i < layers - 1:
            shapes |= norm(f"mlp.{step * i + 1}", hidden, batch=True)
    return shapes | {"last_layer.weight_g": (count, 1), "last_layer.weight_v": (count, bottleneck)}


def ibot_head(*sizes: int, **more: Any) -> Shapes:
    """ibot:models/head.py, iBOTHead with a shared head: one last layer under two names."""
    head = dino_head(*sizes, **more)
    again = {name.replace("last_layer", "last_layer2"): shape for name, shape in head.items() if "last_layer" in name}
    return head | again


def both(backbone: Shapes, head: Shapes, student: str = "student.module.") -> Shapes:
    """Teacher and student of a self-distillation (MultiCropWrapper: `backbone`, `head`)."""
    whole = under("backbone.", backbone) | under("head.", head)
    return under("teacher.", whole) | under(student, whole)


def dinov2(backbone: Shapes, head: Shapes) -> Shapes:
    """dinov2:train/ssl_meta_arch.py, the teacher of a training checkpoint."""
    return under("teacher.backbone.", backbone) | under("teacher.dino_head.", head)


def moco_v3(backbone: Shapes, projector: str, head: Shapes, predictor: Shapes) -> Shapes:
    whole = backbone | under(f"{projector}.", head)
    names = under("base_encoder.", whole) | under("momentum_encoder.", whole) | under("predictor.", predictor)
    return under("state_dict.module.", names)


def moco(backbone: Shapes, head: Shapes, *, keys: bool = True) -> Shapes:
    """moco:moco/builder.py; released files have no key encoder."""
    whole = backbone | under("fc.", head)
    names = under("encoder_q.", whole) | (under("encoder_k.", whole) if keys else {})
    return under("state_dict.module.", names)


def meta(shapes: Shapes) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def drawn(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random values, each tensor others; whole numbers for counts, and iBOT's one last layer the same under both names."""
    generator = torch.Generator().manual_seed(seed)
    found = {
        name: torch.tensor(7) if name.endswith("num_batches_tracked") else torch.rand(shape, generator=generator)
        for name, shape in shapes.items()
    }
    return {name: found.get(name.replace("last_layer2", "last_layer"), tensor) for name, tensor in found.items()}


def saved(tensors: Mapping[str, Tensor], file: Path, **how: Any) -> Path:
    """A file as the authors' scripts write it: dictionaries in each other, arguments and an epoch beside them."""
    whole: dict[str, Any] = {}
    nested = any(name.split(".")[0] in ("state_dict", "teacher", "student") for name in tensors)
    for name, tensor in tensors.items():
        top, _, rest = name.partition(".")
        if nested:
            whole.setdefault(top, {})[rest] = tensor
        else:
            whole[name] = tensor
    more = {"epoch": 3, "args": argparse.Namespace(arch="x"), "optimizer": {"state": {0: {"step": 1.0}}}}
    torch.save({**whole, **more} if nested else whole, file, **how)
    return file
