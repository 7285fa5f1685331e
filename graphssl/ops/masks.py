"""Masks: which patches of each view the student does not see."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Output, Source
from graphssl.ir.types import Axis, Edge, Value
from graphssl.language.fields import Leaf, flag, integer, length, number

if TYPE_CHECKING:
    from graphssl.data.masks import MaskPlan
    from graphssl.data.samples import Samples


def _rising(pair: list[float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(pair)
    return float(pair[0]), float(pair[1])


_RATIO = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number", "minimum": 0, "maximum": 1}}


class _Mask(Source):
    image = Input("image[b c h w]", "the views to be masked; a list of views gives a list of masks")
    mask = Output("mask[b n]", "true where a patch is hidden; patches row by row")
    patch = integer(16, doc="Height and width of a patch in pixels: the encoder's.")
    ratio = Leaf(
        "Least and greatest share of the patches that is hidden.", json=_RATIO,
        expected="two rising shares such as `[0.1, 0.5]`", convert=_rising,
    )  # fmt: skip
    share = number(1.0, doc="Share of the masks that hide anything; the others are all false.", minimum=0, maximum=1)
    stratified = flag(
        False,
        doc="Exactly int(share · masks) of a step's masks hide something, their ratios spread evenly over `ratio`.",
    )
    start = length(None, doc="Nothing is hidden before this place in the training; default: from the first step on.")

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        grid = _grid(attrs, inputs["image"])
        return {"n": math.prod(grid)} if grid else {}

    @classmethod
    def plan(cls, node: str, attrs: Mapping[str, Any], given: Mapping[str, Edge], steps: int, epoch: int) -> MaskPlan:
        from graphssl.data.masks import MaskPlan

        images = given["image"]
        return MaskPlan(
            node,
            tuple(_grid(attrs, value) or (0, 0) for value in images.values),
            images.listed,
            attrs["ratio"],
            attrs["share"],
            attrs["stratified"],
            attrs["start"].steps(steps, epoch) if attrs["start"] else 0,
        )


def _grid(attrs: Mapping[str, Any], image: Value) -> tuple[int, int] | None:
    """Patches along height and width, where the image's size is known."""
    height, width = image.axes[-2:]
    if isinstance(height, int) and isinstance(width, int):
        return height // attrs["patch"], width // attrs["patch"]
    return None


class RandomMask(_Mask):
    """Patches hidden one by one: int(r · n) of the n patches of a mask, r ~ U(ratio), any set of them equally likely.

    With `share` some masks hide nothing. mask: bool (b n), n = (h / patch) · (w / patch).
    Source: iBOT's `rand` (ibot:loader.py).
    Differs: none known.
    """

    name = "random_mask"
    term = "random masks"

    @classmethod
    def maker(
        cls, node: str, attrs: Mapping[str, Any], given: Mapping[str, Edge], *, seed: int, steps: int, per_epoch: int
    ) -> Callable[[Samples], Any]:
        from graphssl.data.masks import RandomMasks

        return RandomMasks(cls.plan(node, attrs, given, steps, per_epoch), seed=seed)


class BlockMask(_Mask):
    """Rectangles of patches hidden until a share r ~ U(ratio) of the n patches of a mask is reached (BEiT, arXiv:2106.08254).

    A rectangle: area ~ U(min_block, what is left to hide), log(height / width) ~ U(log 0.3, -log 0.3), its place uniform.
    It is laid if it is shorter than the grid both ways and hides something new, but no more than what is left (and no more
    than max_block · n at once). After 10 tries in vain the mask stays as it is, so that it often hides less than r · n and
    never more: with `ratio: [0.1, 0.5], share: 0.5` about 14.7 % of 14 × 14 patches in place of 15 %.

    `share` is a chance for each mask (iBOT, arXiv:2111.07832; ibot:loader.py: pred_ratio [0, 0.3] with pred_ratio_var
    [0, 0.2] is `ratio: [0.1, 0.5], share: 0.5`; pred_start_epoch is `start`). With `stratified` exactly int(share · masks)
    of all masks of a step hide something, and r is drawn from as many equal stretches of `ratio`, one from each, shuffled
    (DINOv2, arXiv:2304.07193; dinov2:dinov2/data/collate.py and masking.py, with `min_block: 4, max_block: 0.5`).
    mask: bool (b n), n = (h / patch) · (w / patch).
    Differs: DINOv2 stratifies the masks of each GPU; here those of the whole step are, and, within it, those of each run of
    8 · 2^k neighbours in the batch, so that the result does not depend on the number of GPUs and each still gets its share.
    """

    name = "block_mask"
    term = "block-wise masks"
    min_block = integer(
        None, doc="Patches that the draw of a rectangle's area begins with; default: (side of the grid // 3)²."
    )
    max_block = number(1.0, doc="Largest share of the patches that one rectangle adds.", above=0, maximum=1)

    @classmethod
    def maker(
        cls, node: str, attrs: Mapping[str, Any], given: Mapping[str, Edge], *, seed: int, steps: int, per_epoch: int
    ) -> Callable[[Samples], Any]:
        from graphssl.data.masks import BlockMasks

        plan = cls.plan(node, attrs, given, steps, per_epoch)
        return BlockMasks(plan, seed=seed, least=attrs["min_block"], most=attrs["max_block"])
