"""The encoder of a run as timm alone builds it: a name, arguments, weights, and what timm has no argument for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import timm
import torch
from torch import Tensor, nn

from graphssl.export.source import Source
from graphssl.ops.modules.encoder import structure, use_small_stem
from graphssl.runtime.errors import RunError


@dataclass(frozen=True)
class Plain:
    """stride: of the 3×3 first convolution of a ResNet that was given a smaller stem; None: timm's own stem.

    arguments: JSON values of `timm.create_model`. swiglu: whether it is built with SwiGLU, which is no JSON value.
    """

    source: Source
    arch: str
    arguments: Mapping[str, Any]
    swiglu: bool
    stride: int | None

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """Weights by timm's names, without those that only training needs (`mask_token`)."""
        spare = self.source.backbone_node.signature.spare_weights
        named = self.source.encoder.backbone.state_dict().items()
        return {name: tensor.detach().contiguous() for name, tensor in named if name not in spare}

    @property
    def by_name(self) -> bool:
        """Whether `timm.create_model` makes it from its name and arguments alone."""
        return self.stride is None and not self.swiglu

    def build(self) -> nn.Module:
        """The model that `code` makes, at random."""
        node = self.source.backbone_node
        options = structure(self.arch, ffn=node.attrs["ffn"], args=self.arguments)
        model: nn.Module = timm.create_model(self.arch, num_classes=0, **options)
        if self.stride is not None:
            use_small_stem(model, self.stride)
        return model.eval()

    def code(self, path: str) -> str:
        """Python that makes it with the weights in the file `path`."""
        words = [repr(self.arch), "num_classes=0", *(f"{key}={value!r}" for key, value in self.arguments.items())]
        words += ["mlp_layer=timm.layers.SwiGLUPacked", "act_layer=torch.nn.SiLU"] if self.swiglu else []
        if self.stride is None:
            call = f"model = timm.create_model({', '.join(words)}, checkpoint_path={path!r})"
        else:
            conv = self.source.encoder.backbone.conv1
            call = "\n".join([
                f"model = timm.create_model({', '.join(words)})",
                f"model.conv1 = torch.nn.Conv2d(3, {conv.out_channels}, 3, stride={self.stride}, padding=1, bias={conv.bias is not None})",
                "model.maxpool = torch.nn.Identity()",
                f"timm.models.load_checkpoint(model, {path!r})",
            ])  # fmt: skip
        return f"import timm\nimport torch\n\n{call}\nmodel.eval()"

    def remarks(self) -> list[str]:
        """What whoever loads it should know, a sentence each."""
        source, attrs = self.source, self.source.backbone_node.attrs
        found = []
        if self.stride is not None:
            found.append(
                f"the 3×3 stem of stride {self.stride} (`stem: {attrs['stem']}`) is no argument of timm's: two lines put it in"
            )
        if self.swiglu:
            found.append(
                "`ffn: swiglu` is an argument that Python alone can give: `mlp_layer=timm.layers.SwiGLUPacked`"
            )
        if attrs["position_scaling"] == "dino" and self.arguments.get("dynamic_img_size"):
            found.append(
                f"for images that are not {self.arguments.get('img_size', source.encoder.size)} px timm resizes positions in its "
                "own way, which `position_scaling: dino` is not: use graphssl.load_encoder there"
            )
        if not source.is_backbone:
            found.append(
                f"the run is evaluated on `{source.graph.represent}`, and this is its backbone alone: export onnx or torch for the "
                "whole, or use graphssl.load_encoder"
            )
        return found

    def require_same(self, model: nn.Module) -> None:
        """Refuse a model whose features are not the encoder's to the bit."""
        images = self.source.images()
        with torch.no_grad():
            given, expected = model.eval()(images), self.source.encoder.backbone(images)
        if not torch.equal(given, expected):
            raise RunError(
                f"timm's `{self.arch}` does not give the features of this run (they differ by up to "
                f"{(given - expected).abs().max():.3g}): use graphssl.load_encoder, or export onnx"
            )


def plain(source: Source) -> Plain:
    """The run's encoder in timm's terms."""
    node = source.backbone_node
    given = node.signature.build_arguments(node.attrs, {port: edge.values for port, edge in node.given.items()})
    arch = str(node.attrs["arch"])
    arguments = structure(arch, image_sizes=given["image_sizes"], args=node.attrs["args"])
    conv = getattr(source.encoder.backbone, "conv1", None)
    small = isinstance(conv, nn.Conv2d) and isinstance(getattr(source.encoder.backbone, "maxpool", None), nn.Identity)
    return Plain(
        source, arch, arguments, node.attrs["ffn"] == "swiglu", conv.stride[0] if conv is not None and small else None
    )
