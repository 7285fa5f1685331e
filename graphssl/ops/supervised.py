"""Supervised pieces: a classifier, its loss, and how often it is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Module, Output, Pure, RowLoss
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import flag, integer, number, scheduled

if TYPE_CHECKING:
    from torch import Tensor


class Linear(Module):
    """One linear layer, for example a classifier.

        logits = W x + c

    features (b d) -> logits (b k), k = dim. Source: the heads of fine-tuning in SimCLR v2 (arXiv:2006.10029, section 3.2;
    model_util.py of the authors, whose weights begin with deviation 0.01).
    Differs: none known.
    """

    name = "linear"
    term = "a linear layer"
    features = Input("features[b d]", "vectors to classify")
    logits = Output("logits[b k]", "one number per class")
    dim = integer(doc="k: how many numbers it gives, for a classifier the classes.")
    bias = flag(True, doc="Add the bias c.")
    init_std = number(None, doc="Normal weights with this deviation and zero bias; default: torch's own.", above=0)

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"k": attrs["dim"]}

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.mlp import linear

        return linear


class CrossEntropy(RowLoss):
    """Cross-entropy of a classifier with the labels.

        loss = mean_i -Σ_k t_ik log softmax(x_i / τ)_k,   t = (1 - ε) onehot(y_i) + ε / K

    over the samples of all ranks that have a label (y ≥ 0); 0 when none has.
    logits (b k), label (b), or logits (b k h w), label (b h w), each place then a sample; τ = temperature, ε = label_smoothing. Source: torch's `cross_entropy`; supervised loss of SimCLR
    v2 (arXiv:2006.10029, section 3.2; objective.py of the authors, without smoothing).
    Differs: none known.
    """

    name = "cross_entropy"
    term = "a cross-entropy"
    undecided = "logits"
    logits = Input("logits[b k] | logits[b k h w]", "one number per class")
    label = Input("label[b] | label[b h w]", "class indices; -1 does not count")
    temperature = scheduled(1.0, "τ: what logits are divided by.", above=0)
    label_smoothing = number(0.0, "ε: share of the target spread over all classes.", role="call", minimum=0, maximum=1)

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return cross_entropy


def cross_entropy(
    logits: Tensor, label: Tensor, *, temperature: float | Tensor = 1.0, label_smoothing: float = 0.0
) -> Tensor:
    """logits (b k …), label (b …) -> scalar."""
    import torch.nn.functional as F

    from graphssl.ops.modules.distributed import mean_count
    from graphssl.ops.modules.precision import full_precision

    logits = full_precision(logits) / temperature  # b k
    loss = F.cross_entropy(logits, label, ignore_index=-1, label_smoothing=label_smoothing, reduction="sum")
    return loss / mean_count(label >= 0)


class Accuracy(Pure):
    """Share of samples whose largest logit is that of their label, for `monitors`.

    logits (b k), label (b) -> scalar between 0 and 1, over the samples of all ranks that have a label (y ≥ 0). Or logits (b k h w), label
    (b h w): over their places.
    Differs: none known.
    """

    name = "accuracy"
    score = "share"
    logits = Input("logits[b k] | logits[b k h w]", "one number per class", blocks_gradient=True)
    label = Input("label[b] | label[b h w]", "class indices; -1 does not count")
    share = Output("scalar", "share of right answers on this batch")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return accuracy


def accuracy(logits: Tensor, label: Tensor) -> Tensor:
    """logits (b k …), label (b …) -> scalar."""
    from graphssl.ops.modules.distributed import mean_count

    return (logits.detach().argmax(dim=1) == label).sum() / mean_count(label >= 0)
