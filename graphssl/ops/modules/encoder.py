"""timm models as encoders."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import timm
import timm.layers
import torch
from timm.layers import GluMlp
from torch import Tensor, nn

from graphssl.ops.modules.drop_path import DropPath
from graphssl.ops.modules.recompute import recompute_blocks
from graphssl.ops.modules.vit import (
    add_mask_token,
    masked_forward,
    require_transformer,
    use_dino_class_token,
    use_dino_scaling,
    use_exact_drop_path,
    use_sincos_positions,
    use_uniform_drop_path,
    use_xavier_weights,
)


def encoder(
    arch: str,
    *,
    image_sizes: Sequence[int] = (224,),
    stem: str = "auto",
    drop_path: float = 0.0,
    drop_path_uniform: bool = False,
    drop_path_exact: bool = False,
    pretrained: bool = False,
    zero_init_last: bool | None = None,
    masked: bool = False,
    positions: str = "learned",
    position_scaling: str = "timm",
    weight_init: str = "timm",
    ffn: str = "mlp",
    freeze: Sequence[str] | None = None,
    checkpoint: bool = False,
    args: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A timm model without classifier; `model(x)` gives pooled features (b d), d = `model.num_features`.

    image_sizes: heights of the images it will see, in pixels; a model of fixed input size is built for the first.
    masked: with a `mask_token`, for patches that are hidden. freeze: modules or parameters, by name, that are not trained.
    checkpoint: its blocks are computed again in the backward.
    """
    if not timm.is_model(arch):
        near = difflib.get_close_matches(arch, timm.list_models(), n=1)
        raise ValueError(f"timm has no model {arch!r}" + (f"; the closest is {near[0]!r}" if near else ""))
    options = structure(arch, image_sizes=image_sizes, ffn=ffn, args=args)
    if drop_path:
        options["drop_path_rate"] = drop_path
    if zero_init_last is not None:
        options["zero_init_last"] = zero_init_last
    try:
        model: nn.Module = timm.create_model(arch, pretrained=pretrained, num_classes=0, **options)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise OSError(f"timm's weights of {arch!r} cannot be had: {reason}") from None
    small = bool(image_sizes) and max(image_sizes) <= 64
    resnet = isinstance(getattr(model, "conv1", None), nn.Conv2d) and hasattr(model, "maxpool")
    if stem in ("cifar", "small") and not resnet:
        raise ValueError(f"stem {stem!r} needs a ResNet with one first convolution, and {arch!r} is none")
    if stem in ("cifar", "small") or (stem == "auto" and small and resnet):
        use_small_stem(model, stride=2 if stem == "small" else 1)
    changes: list[tuple[bool, Callable[[Any], None]]] = [
        (weight_init == "xavier" and not pretrained, use_xavier_weights),
        (weight_init == "dino" and not pretrained, use_dino_class_token),
        (positions == "sincos", use_sincos_positions),
        (position_scaling == "dino", use_dino_scaling),
        (drop_path_uniform, partial(use_uniform_drop_path, rate=drop_path)),
        (drop_path_exact, use_exact_drop_path),
        (masked, add_mask_token),
    ]
    for change in [change for wanted, change in changes if wanted]:
        require_transformer(model)
        change(model)
    for layer in model.modules():
        if type(layer) is timm.layers.DropPath:
            layer.__class__ = DropPath
    for name in freeze or ():
        frozen = [p for n, p in model.named_parameters() if f"{n}.".startswith(f"{name}.")]
        if not frozen:
            parts = ", ".join(dict.fromkeys(n.partition(".")[0] for n, _ in model.named_parameters()))
            raise ValueError(f"{arch!r} has no part {name!r} to freeze; it has {parts}")
        for parameter in frozen:
            parameter.requires_grad_(False)
    if checkpoint:
        recompute_blocks(model)
    return model


def structure(
    arch: str, *, image_sizes: Sequence[int] = (), ffn: str = "mlp", args: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The arguments that make timm's model the encoder's structure; what else `encoder` does to it, timm has no argument for."""
    options: dict[str, Any] = dict(args or {})
    if ffn == "swiglu":
        options |= {"mlp_layer": partial(GluMlp, gate_last=False), "act_layer": nn.SiLU}
    config = timm.get_pretrained_cfg(arch, allow_unregistered=True)
    if config is not None and config.fixed_input_size and image_sizes:
        options.setdefault("img_size", image_sizes[0])
        if len(image_sizes) > 1:
            options.setdefault("dynamic_img_size", True)
    return options


def use_small_stem(model: Any, stride: int) -> None:
    """Make the first convolution 3×3 with this stride and drop the max-pool, in place."""
    old = model.conv1
    bias = old.bias is not None
    conv = nn.Conv2d(old.in_channels, old.out_channels, kernel_size=3, stride=stride, padding=1, bias=bias)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    model.conv1 = conv
    model.maxpool = nn.Identity()


def take(model: Any, x: Tensor, *ports: str, mask: Tensor | None = None) -> dict[str, Tensor]:
    """The named outputs of one forward: pooled, cls, patch, map, blocks.I, blocks.I.cls (shapes as in the op `encoder`).

    mask: bool (b n), true at patches that are hidden.
    """
    blocks = {port: int(port.split(".")[1]) for port in ports if port.startswith("blocks.")}
    found: list[Tensor] = []
    if mask is not None:
        last, found = masked_forward(model, x, mask, sorted(set(blocks.values())))
    elif blocks:
        last, found = all_tokens(model, x, sorted(set(blocks.values())))
    else:
        last = model.forward_features(x)
    after = dict(zip(sorted(set(blocks.values())), found, strict=True))
    out: dict[str, Tensor] = {}
    prefix = getattr(model, "num_prefix_tokens", 0)
    for port in ports:
        if port in blocks:
            tokens = after[blocks[port]]
            out[port] = class_token(model, tokens) if port.endswith(".cls") else tokens[:, prefix:]
        elif port == "pooled":
            out[port] = model.forward_head(last, pre_logits=True)
        elif port in ("cls", "patch"):
            if last.dim() != 3:
                raise ValueError(f"{type(model).__name__} has no {'class token' if port == 'cls' else 'patch tokens'}")
            out[port] = class_token(model, last) if port == "cls" else last[:, prefix:]
        elif port == "map":
            out[port] = last if last.dim() == 4 else token_map(last[:, prefix:])
    return out


def class_token(model: Any, tokens: Tensor) -> Tensor:
    """(b n d) -> (b d)."""
    if not getattr(model, "num_prefix_tokens", 0):
        raise ValueError(f"{type(model).__name__} has no class token")
    return tokens[:, 0]


def all_tokens(model: Any, x: Tensor, blocks: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """The last tokens (b n d), class and register tokens first, and those after some blocks, counted as in Python, and the last norm."""
    depth = len(model.blocks)
    wanted = [index % depth for index in blocks]
    last, found = model.forward_intermediates(x, indices=wanted, output_fmt="NLC", norm=True, return_prefix_tokens=True)
    whole = [part if isinstance(part, Tensor) else torch.cat(part[::-1], dim=1) for part in found]  # no prefix, or both
    by_depth = dict(zip(sorted(set(wanted)), whole, strict=True))
    return last, [by_depth[index] for index in wanted]


def token_map(tokens: Tensor) -> Tensor:
    """(b n d) of a square grid -> (b d h w)."""
    b, n, d = tokens.shape
    side = round(n**0.5)
    return tokens.transpose(1, 2).reshape(b, d, side, n // side)
