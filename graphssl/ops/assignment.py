"""From logits to probabilities: how strongly each row belongs to each prototype."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Output, Pure, RowByRow
from graphssl.ir.types import Value
from graphssl.language.fields import choice, integer, scheduled

if TYPE_CHECKING:
    from torch import Tensor

LOGITS = "logits[b k] | features[b k] | tokens[b n k]"


class _Assignment(Pure):
    output = Output("probabilities[b k]", "rows that sum to 1")
    temperature = scheduled(doc="τ: what logits are divided by; lower is sharper.", above=0)

    @classmethod
    def infer(cls, node: str, port: str, attrs: Any, inputs: Any, bound: Any) -> Value:
        value, given = super().infer(node, port, attrs, inputs, bound), inputs["x"]
        return value if given.kind != "tokens" else Value("tokens", given.axes, grad=value.grad, view=value.view)


class Softmax(_Assignment, RowByRow):
    """exp(x_k / τ) / Σ_j exp(x_j / τ) over the last axis, in full precision. τ = `temperature`.

    logits (b k) -> probabilities (b k); tokens (b n k) -> tokens (b n k). Gradient flows.
    Differs: none known.
    """

    name = "softmax"
    x = Input(LOGITS, "logits")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return softmax


def softmax(x: Tensor, *, temperature: float | Tensor) -> Tensor:
    """x (… k) -> probabilities (… k)."""
    from graphssl.ops.modules.precision import full_precision

    return (full_precision(x) / temperature).softmax(dim=-1)


class Sinkhorn(_Assignment):
    """Assignments in which the rows of the whole batch use every prototype equally (SwAV, arXiv:2006.09882, section 3.1).

        Q = exp(x / τ);  `iterations` times: divide each column by its sum over rows, then each row by its sum

    A row is a sample, or a token, a column a prototype. Sums over rows are over those of all ranks, so that the result
    does not depend on how many there are; with `mask`, over the rows where it is not 0. Computed with logarithms in full
    precision: nothing overflows. No gradient flows back. τ = `temperature`.
    A list of views is balanced view by view (SwAV's distributed_sinkhorn); with `batch: joint`, all views together
    (dinov2/loss/dino_clstoken_loss.py, called with both views in one batch).
    logits (b k) -> probabilities (b k); tokens (b n k) -> tokens (b n k).
    Differs: none known; the authors' factors B and K, and the division by the sum of all, cancel.
    """

    name = "sinkhorn"
    term = "Sinkhorn-Knopp"
    prevents_collapse = True
    x = Input(LOGITS, "logits", blocks_gradient=True)
    mask = Input(
        "mask[b n] | weights[b]", "rows or tokens that count: where it is not 0", optional=True, blocks_gradient=True
    )
    iterations = integer(3, doc="How often columns and rows are normalised.", role="call")
    batch = choice(
        "per_view", "joint", default="per_view", role="wiring", doc="Balance each view of a list, or all together."
    )

    @classmethod
    def separable(cls, given: Collection[str]) -> bool:
        return False

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return sinkhorn


def sinkhorn(x: Tensor, mask: Tensor | None = None, *, temperature: float | Tensor, iterations: int = 3) -> Tensor:
    """x (… k) -> probabilities (… k); mask: one number per row."""
    import torch

    from graphssl.ops.modules.distributed import gather
    from graphssl.ops.modules.precision import full_precision

    q = (full_precision(x.detach()) / temperature).flatten(0, -2)  # r k: logarithms
    padding = None if mask is None else mask.flatten()[:, None] == 0
    for _ in range(iterations):
        counted = q if padding is None else q.masked_fill(padding, float("-inf"))
        here = counted.logsumexp(dim=0, keepdim=True)  # 1 k
        columns = gather(here, grad=False).logsumexp(dim=0)  # k: over the rows of all ranks
        q = q - columns.clamp(min=torch.finfo(q.dtype).min)  # finite where no row counts at all
        q = q.log_softmax(dim=-1)
    return q.exp().view(x.shape)
