"""What a run learned, ready to be used: the network behind `represent`, with the preprocessing it was evaluated with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from graphssl.compiler.build import own_module
from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.decode import from_pil
from graphssl.evaluate.features import eval_view, evaluating
from graphssl.evaluate.run import load_features
from graphssl.ir.graph import Graph, Node
from graphssl.ops.modules.encoder import take
from graphssl.runtime.errors import RunError

Picture = Image.Image | NDArray[np.uint8] | Tensor
"""One image: Pillow of any mode; array uint8 (h w 3), (h w) grey; tensor uint8 (3 h w)."""


def load_encoder(run: str | Path, *, random: bool = False, plugins: Sequence[str] = ()) -> RunEncoder:
    """The encoder of a run, with the weights of its last checkpoint, in eval mode on the CPU.

    random: the same network before training.

    Raises:
        RunError: no run is there, it has no checkpoint, its checkpoint cannot be read, or it has no `represent`.
    """
    method, module = load_features(run, random=random, plugins=plugins)
    return RunEncoder(module, method.checked_graph())


class RunEncoder(nn.Module):
    """The network behind a method's `represent`; `forward` takes images (b 3 h w) as `transform` gives them.

    Attributes:
        backbone: the timm model that `represent` is computed with.
        width: d, the width of its features.
        size: height and width, in pixels, of the images that `transform` gives.
        transform: one image -> float32 (3 size size), as evaluation shows it.
    """

    def __init__(self, module: nn.Module, graph: Graph) -> None:
        super().__init__()
        assert graph.represent is not None
        used = graph.ancestors([graph.represent.node])
        owners = {owner.name: owner for node in graph if node.name in used for owner in [graph.module_of(node)]}
        self.graph = graph
        self._whole = (module,)  # not registered: only what is used of it is a part of this
        for name, owner in owners.items():
            if (part := own_module(module, owner)) is not None:
                self.add_module(name.replace("/", "_"), part)
        self.size, steps = eval_view(graph)
        self.transform = Transform(self.size, steps)
        with evaluating(module):
            self.width = int(module.represent(torch.zeros(2, 3, self.size, self.size)).shape[-1])  # type: ignore[operator]
        self.eval()

    @property
    def node(self) -> Node:
        """The node of the encoder that `represent` is computed with. Raises RunError where there is none."""
        assert self.graph.represent is not None
        used = self.graph.ancestors([self.graph.represent.node])
        found = [node for node in self.graph if node.name in used and node.signature.name == "encoder"]
        if not found:
            raise RunError(f"`{self.graph.represent}` is not computed by an encoder")
        return found[-1]

    @property
    def backbone(self) -> Any:
        return getattr(self, self.graph.module_of(self.node).name.replace("/", "_"))

    def forward(self, images: Tensor) -> Tensor:
        """images (b 3 h w) -> features (b d), gradient included."""
        features: Tensor = self._whole[0].represent(images)  # type: ignore[operator]
        return features

    def map(self, images: Tensor) -> Tensor:
        """images (b 3 h w) -> last feature map (b d h' w'): a ConvNet's, or patch tokens of a transformer after its last norm."""
        return take(self.backbone, images, "map")["map"]

    def features(self, images: Picture | Iterable[Picture], *, batch_size: int = 64) -> Tensor:
        """Features (n d), float32 on the CPU, of one image or many; (1 d) for one. Nothing in the encoder moves."""
        return self._applied(self, images, batch_size)

    def maps(self, images: Picture | Iterable[Picture], *, batch_size: int = 64) -> Tensor:
        """Feature maps (n d h w) likewise."""
        return self._applied(self.map, images, batch_size)

    def _applied(self, function: Any, images: Picture | Iterable[Picture], batch_size: int) -> Tensor:
        device = next(self.parameters()).device
        with evaluating(self):
            parts = [function(torch.stack(part).to(device)).float().cpu() for part in self._batches(images, batch_size)]
        if not parts:
            raise ValueError("there are no images")
        return torch.cat(parts)

    def _batches(self, images: Picture | Iterable[Picture], batch_size: int) -> Iterator[list[Tensor]]:
        one = isinstance(images, Image.Image) or getattr(images, "ndim", 4) < 4
        made = map(self.transform, [images] if one else images)  # type: ignore[list-item, arg-type]
        while part := list(islice(made, batch_size)):
            yield part


class Transform:
    """One image -> float32 (3 size size), by the steps of the evaluation view; nothing in it is random."""

    def __init__(self, size: int, steps: tuple[tuple[str, Any], ...]) -> None:
        self.size, self.steps = size, steps
        self._augmenter = Augmenter({"eval": ViewPlan("eval", size, steps, "eval")}, seed=0)

    def __call__(self, image: Picture) -> Tensor:
        made = self._augmenter([_pixels(image)], [0], 0)["eval"]
        assert isinstance(made, Tensor)
        return made[0]

    def at(self, size: int) -> Transform:
        """The same for images of another size, in pixels."""
        scale = size / self.size
        return Transform(size, tuple((name, _scaled(value, scale)) for name, value in self.steps))


def _scaled(value: Any, scale: float) -> Any:
    return {**value, "size": round(value["size"] * scale)} if isinstance(value, dict) and "size" in value else value


def _pixels(image: Picture) -> Tensor:
    """As uint8 (3 h w)."""
    if isinstance(image, Image.Image):
        return from_pil(image)
    if isinstance(image, Tensor):
        if image.dtype == torch.uint8 and image.dim() == 3 and len(image) in (1, 3):
            return image.expand(3, -1, -1)
        raise ValueError(f"a tensor is uint8 (3 h w) with values 0 to 255, got {image.dtype} {tuple(image.shape)}")
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ValueError(f"an array is uint8 (h w 3) or (h w), got {array.dtype} {array.shape}")
    return from_pil(Image.fromarray(array))
