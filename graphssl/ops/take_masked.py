"""Only the masked tokens, packed: heads and losses on patches work where something is to be predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from graphssl.ir.signature import Input, Output, Pure
from graphssl.language.fields import number

if TYPE_CHECKING:
    from torch import Tensor


class TakeMasked(Pure):
    """The tokens at masked places, one behind the other, in a number of rows m that does not depend on the masks.

        features = tokens[mask], then 0;   weight of a row of image i = 1 / (b · #masked in i), 0 for padding
        m = ⌈room · b · n⌉

    A list of v views is packed together, view by view, and b then counts the images of all views. Rows come image by image.
    Padding rows are 0, as in the authors' buffer; a BatchNorm in the head counts them, and they are the same on any number of ranks.
    With l one value per row, Σ weight · l is the mean over all images, those without a mask included, of each image's mean over
    its masked tokens: the masked loss of iBOT (arXiv:2111.07832; ibot:main_ibot.py: Σ over masked / max(1, #masked), then mean)
    and DINOv2 (arXiv:2304.07193; dinov2:dinov2/loss/ibot_patch_loss.py, masks_weight), as `soft_cross_entropy` takes it by its
    `weights`.
    tokens (b n d), mask (b n), or lists of them -> features (m d), weight (m).
    Differs: DINOv2 works the padding out from the ratios of each batch's masks; here `room` is the same at every step.
    """

    name = "take_masked"
    term = "packed masked tokens"
    tokens = Input("tokens[b n d]", "tokens of all patches, or a list of views", takes_list=True)
    mask = Input("mask[b n]", "true at the patches to take, for each view", takes_list=True)
    features = Output("features[m d]", "tokens at masked places, then rows of 0", unit="same")
    weight = Output("weights[m]", "1 / (images · masked tokens of the row's image); 0 for padding")
    room = number(
        1.0,
        doc="Rows, as a share of all b · n tokens; where more are masked, the step fails. `ratio: [0.1, 0.5]` never needs more "
        "than 0.5, and with `share: 0.5, stratified: true` no more than 0.2.",
        role="call",
        above=0,
        maximum=1,
    )

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return take_masked


class Packed(NamedTuple):
    """features: (m d). weight: (m)."""

    features: Tensor
    weight: Tensor


def take_masked(tokens: Tensor | list[Tensor], mask: Tensor | list[Tensor], *, room: float) -> Packed:
    """tokens (b n d), mask (b n), or lists of them -> features (m d) and weight (m), m = ⌈room · b · n⌉."""
    import math

    import torch

    if isinstance(tokens, list):
        tokens = torch.cat(tokens)  # v·b n d
    if isinstance(mask, list):
        mask = torch.cat(mask)  # v·b n
    rows = math.ceil(room * mask.numel())
    torch._assert_async(mask.sum() <= rows, "more tokens are masked than `take_masked` has room for: raise its `room`")
    order = mask.flatten().byte().argsort(descending=True, stable=True)[:rows]  # masked first, then the others
    weight = mask / (len(mask) * mask.sum(dim=1, keepdim=True).clamp(min=1))
    features = tokens.flatten(0, 1)[order].where(mask.flatten()[order, None], 0)
    return Packed(features, weight.flatten()[order])
