"""What is exported: a run's encoder, with the run around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graphssl.data.steps import NORMALIZATIONS
from graphssl.evaluate.encoder import RunEncoder
from graphssl.evaluate.run import load_features
from graphssl.ir.graph import Graph, Node
from graphssl.pipeline import Method
from graphssl.runtime.folder import RunFolder


@dataclass(frozen=True)
class Source:
    """A finished run, loaded."""

    folder: RunFolder
    method: Method
    module: nn.Module
    encoder: RunEncoder

    @property
    def graph(self) -> Graph:
        return self.encoder.graph

    @property
    def backbone_node(self) -> Node:
        """The node of the encoder's structure: for a slow copy, the one that it copies."""
        node = self.encoder.node
        return self.graph.nodes[node.root or node.name]

    @property
    def is_backbone(self) -> bool:
        """Whether `represent` is what timm's model gives: the pooled features of the encoder."""
        represent = self.graph.represent
        assert represent is not None
        return self.graph.nodes[represent.node].signature.name == "encoder" and self.graph.port(represent) == "pooled"

    @property
    def preprocessing(self) -> dict[str, Any]:
        """As timm's `pretrained_cfg` says it: `crop_pct` is the part of the resized image that is seen."""
        steps: dict[str, Any] = dict(self.encoder.transform.steps)
        normal: Mapping[str, Any] = steps["normalize"]
        normal = NORMALIZATIONS[normal] if isinstance(normal, str) else normal
        size = self.encoder.size
        return {
            "input_size": [3, size, size],
            "mean": list(normal["mean"]),
            "std": list(normal["std"]),
            "interpolation": steps["resize"]["interpolation"],
            "crop_pct": size / steps["resize"]["size"],
            "crop_mode": "center",
        }

    def images(self, count: int = 2) -> Tensor:
        """Images (b 3 h w) to compare an export with, the same each time."""
        size = self.encoder.size
        return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def open_source(run: str | Path, plugins: Sequence[str] = ()) -> Source:
    """A run to export; RunError when it is none, or has no weights or no `represent`."""
    method, module = load_features(run, plugins=plugins)
    return Source(RunFolder(run), method, module, RunEncoder(module, method.checked_graph()))
