"""Cross-entropy between distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphssl.ir.pairs import PAIRS
from graphssl.ir.signature import Input, RowLoss
from graphssl.language.fields import scheduled
from graphssl.ops.contrastive import REDUCE

if TYPE_CHECKING:
    from torch import Tensor


class SoftCrossEntropy(RowLoss):
    """Cross-entropy of a predicted distribution with a target one (DINO, arXiv:2104.14294, equations 1 to 3; main_dino.py).

        loss = mean_i H_i,   H_i = -Σ_k t_ik log softmax(s_i / τ)_k

    Uniform predictions cost ln k. s = `prediction` are logits, τ = `temperature` is theirs; t = `target` are probabilities,
    used as they arrive (from `softmax` or `sinkhorn`). Both are (b k), or tokens (b n k), whose mean is over all tokens.

    mask (b n), with tokens: only masked tokens count, and every image counts the same, the mean being over all images,
    also those without a masked token, which cost 0 (iBOT, arXiv:2111.07832; main_ibot.py, iBOTLoss):

        loss = mean_i ( Σ_n mask_in H_in / max(1, Σ_n mask_in) )

    weights (b): loss = Σ_i weights_i H_i, a sum, for rows that were picked and padded: the weights hold what it is divided
    by (dinov2/loss/ibot_patch_loss.py, forward_masked, divides by the masked tokens of the row's image and by the images).
    With lists of views, `mask` and `weights` belong to the views of `prediction`.
    Differs: none known; the mean over pairs is the authors' sum divided by their number of terms.
    """

    name = "soft_cross_entropy"
    term = "a soft cross-entropy"
    paired = ("prediction", "target")
    undecided = "prediction"
    prediction = Input("logits[b k] | features[b k] | tokens[b n k]", "logits that gradient trains")
    target = Input("probabilities[b k] | tokens[b n k]", "what they should be")
    mask = Input("mask[b n]", "tokens that count", optional=True)
    weights = Input("weights[b]", "one number per row", optional=True)
    temperature = scheduled(0.1, "τ: what the prediction is divided by.", above=0)
    pairs = PAIRS
    reduce = REDUCE

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return soft_cross_entropy


def soft_cross_entropy(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    *,
    temperature: float | Tensor,
) -> Tensor:
    """prediction (b k) or (b n k), target the same, mask (b n), weights (b) -> scalar."""
    import torch.nn.functional as F

    from graphssl.ops.modules.precision import full_precision

    prediction, target = full_precision(prediction), full_precision(target)
    each = -(target * F.log_softmax(prediction / temperature, dim=-1)).sum(dim=-1)  # b, or b n
    if mask is not None:
        each = each.where(mask, 0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)  # b
    if weights is not None:
        return (weights * each).sum()
    return each.mean()
