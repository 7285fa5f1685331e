"""Object discovery without training: one box per image from frozen features, held against the known boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from graphssl.data.label_maps import with_label_maps
from graphssl.data.sources import open_data
from graphssl.evaluate.attention import class_attention
from graphssl.evaluate.encoder import RunEncoder, load_encoder
from graphssl.evaluate.features import eval_view, evaluating
from graphssl.evaluate.whole_images import whole_images
from graphssl.runtime.errors import RunError

HIT = 0.5
"""Intersection over union from which a box counts as right."""


def localisation_of_run(
    run: str,
    data: str,
    *,
    how: str = "lost",
    random: bool = False,
    size: int | None = None,
    device: str | None = None,
    workers: int = 0,
    plugins: Sequence[str] = (),
) -> dict[str, Any]:
    """How often one box per test image is right: CorLoc, the share of images whose box overlaps a known one with an IoU of 0.5 or more.

    how: `lost`, similarities of the feature map, for any encoder; `attention`, of the class token, for vision transformers. random: of the
    same encoder before training. size: of the images, in pixels; default: as evaluation shows them.
    `whole_image` holds the same numbers for the box around the whole image, which takes no features.

    Raises:
        DataError: the data has no boxes. RunError: the encoder has no such map, or cannot take such a size.
    """
    test = with_label_maps(open_data(data, "test"))
    encoder = load_encoder(run, random=random, plugins=plugins)
    seen, steps = eval_view(encoder.graph)
    size = size or seen
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    encoder = encoder.to(where)
    take_size(encoder, size)
    best, whole, grid = [], [], (0, 0)
    for numbers, images in whole_images(test, size=size, normalize=dict(steps)["normalize"], workers=workers):
        for index, area in zip(numbers, areas(encoder, images.to(where), how), strict=True):
            grid = (area.shape[0], area.shape[1])
            known, (height, width) = test.boxes(index), test.load(index).shape[-2:]
            scale = torch.tensor([width, height, width, height]) / torch.tensor([grid[1], grid[0], grid[1], grid[0]])
            everything = torch.tensor([[0.0, 0.0, width, height]])
            best.append(float(box_iou(box_around(area)[None] * scale, known).amax()) if len(known) else 0.0)
            whole.append(float(box_iou(everything, known).amax()) if len(known) else 0.0)
    return {
        **_told(best),
        "whole_image": _told(whole),
        "how": how,
        "features": f"{encoder.graph.represent}{' (random weights)' if random else ''}",
        "images": len(best),
        "image_size": size,
        "grid": list(grid),
    }


def _told(overlaps: list[float]) -> dict[str, float]:
    return {
        "corloc": sum(overlap >= HIT for overlap in overlaps) / len(overlaps),
        "mean_iou": sum(overlaps) / len(overlaps),
    }


def take_size(encoder: RunEncoder, size: int) -> None:
    """Let the encoder take images of this size in pixels, its positions resized as timm does; raises RunError if it cannot."""
    backbone = encoder.backbone
    patch = getattr(getattr(backbone, "patch_embed", None), "patch_size", (1, 1))[0]
    if size % patch:
        raise RunError(f"images of {size} px cannot be cut into patches of {patch}; take a multiple of it")
    if (
        size != encoder.size
        and hasattr(backbone, "set_input_size")
        and not getattr(backbone, "dynamic_img_size", False)
    ):
        backbone.set_input_size(img_size=size)


def areas(encoder: RunEncoder, images: Tensor, how: str) -> list[Tensor]:
    """images (b 3 size size) -> of each, where the object is on the grid of the map, bool (h w), in one piece."""
    if how == "attention":
        return [attended(each) for each in class_attention(encoder, images).float().cpu()]
    with evaluating(encoder):
        maps = encoder.map(images).float().cpu()
    return [lost(each) for each in maps]


def lost(features: Tensor, *, share: float = 0.1) -> Tensor:
    """features (d h w) -> bool (h w): the object as LOST finds it (arXiv:2109.14279, section 3).

    Of places p, q with features f: the seed is the place that agrees (f_p · f_q ≥ 0) with the fewest others, since objects are smaller
    than what is around them; of the k places that agree with the fewest, those S that agree with the seed are of the object, too;
    then so is every place p with Σ_{s in S} f_p · f_s ≥ 0, in one piece with the seed.
    Differs: f are the places' features of length 1, their mean over the image taken away, so that maps behind a ReLU, which agree
    everywhere, have signs, too; the paper's are keys of the last attention as they are. k is a share of the places; the paper's is 100.
    """
    places = features.flatten(1).T  # n d
    places = F.normalize(places - places.mean(dim=0), dim=1)
    similar = places @ places.T  # n n
    order = (similar >= 0).sum(dim=1).argsort(stable=True)
    seed, rare = order[0], order[: max(1, round(share * len(order)))]
    grown = rare[similar[seed, rare] >= 0]
    found = similar[:, grown].sum(dim=1) >= 0
    return piece_at(found.view(features.shape[1:]), int(seed))


def attended(attention: Tensor, *, mass: float = 0.6) -> Tensor:
    """Attention of the class token (heads h w) -> bool (h w): the patches with most of it, in one piece with the first.

    Of the mean over heads, the fewest patches that hold a share `mass` of it: DINO's threshold (arXiv:2104.14294, figure 1;
    dino:visualize_attention.py).
    Differs: the authors threshold each head by itself, to look at, and take no box.
    """
    flat = attention.mean(dim=0).flatten()
    order = flat.argsort(descending=True, stable=True)
    before = flat[order].cumsum(dim=0) - flat[order]
    found = torch.zeros_like(flat, dtype=torch.bool)
    found[order[before < mass * flat.sum()]] = True
    return piece_at(found.view(attention.shape[1:]), int(order[0]))


def piece_at(area: Tensor, place: int) -> Tensor:
    """The part of an area, bool (h w), that hangs together with a place of it, row by row; corners do not join."""
    area.view(-1)[place] = True
    _, pieces = cv2.connectedComponents(area.numpy().astype(np.uint8), connectivity=4)
    found = torch.from_numpy(pieces)
    return found == found.view(-1)[place]


def box_around(area: Tensor) -> Tensor:
    """bool (h w) -> left, top, right, bottom of what is true, float32 (4), in places of the grid."""
    rows, columns = area.any(dim=1).nonzero()[:, 0], area.any(dim=0).nonzero()[:, 0]
    return torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()
