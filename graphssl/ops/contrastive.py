"""Contrastive losses: a query against its positive and other candidates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from graphssl.ir.pairs import PAIRS
from graphssl.ir.signature import Input, Loss
from graphssl.ir.types import Edge
from graphssl.language.fields import choice, flag, scheduled

if TYPE_CHECKING:
    from torch import Tensor

REDUCE = choice("mean", "sum", default="mean", role="wiring", doc="How the pairs' losses combine.")
NORMALIZE = flag(True, doc="l2-normalise the inputs first.", role="call")


class InfoNCE(Loss):
    """Cross-entropy of picking the positive among candidates (arXiv:1807.03748, equation 4; MoCo arXiv:1911.05722, eq. 1).

        loss = mean_i -log( exp(q_i·k_i/τ) / Σ_c exp(q_i·c/τ) )

    Without `negatives` the candidates of q_i are all rows of `positive` (those of other ranks too, when gathered): N
    candidates, uniform value ln N. With `negatives` they are its own positive and every row of `negatives`: 1 + K
    candidates, uniform value ln(1 + K).
    query (b d), positive (b d) or gathered (B d), negatives (q d); τ = temperature. Authors' code: moco/builder.py,
    moco-v3/moco/builder.py.
    Differs: none known. MoCo v3 multiplies by 2τ: say so with `weight`.
    """

    name = "info_nce"
    term = "the InfoNCE loss"
    prevents_collapse = True
    paired = ("query", "positive")
    candidates = ("negatives", "positive")
    undecided = "query"
    query = Input("features[b d]", "rows that gradient trains")
    positive = Input("features[p d]", "the row that belongs to each query")
    negatives = Input("features[q d]", "candidates that are always wrong", optional=True)
    temperature = scheduled(0.1, "τ: what similarities are divided by.", above=0)
    normalize = NORMALIZE
    pairs = PAIRS
    reduce = REDUCE

    @classmethod
    def separable(cls, given: Collection[str]) -> bool:
        return "negatives" in given  # then no row of the batch is another's candidate

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return info_nce


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float | Tensor,
    normalize: bool = True,
) -> Tensor:
    """query (b d), positive (b d) or (B d), negatives (q d) -> scalar."""
    import torch
    import torch.nn.functional as F

    from graphssl.ops.modules.blocks import by_blocks
    from graphssl.ops.modules.distributed import first_row
    from graphssl.ops.modules.precision import full_precision

    query, positive = full_precision(query), full_precision(positive)
    if normalize:
        query, positive = F.normalize(query, dim=1), F.normalize(positive, dim=1)
    if negatives is None:
        labels = torch.arange(len(query), device=query.device) + first_row(query, positive)

        def among_positives(query: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(query @ positive.T / temperature, labels, reduction="none")

        return by_blocks(among_positives, query, labels, candidates=len(positive)).mean()
    negatives = full_precision(negatives)
    negatives = F.normalize(negatives, dim=1) if normalize else negatives

    def among_negatives(query: Tensor, positive: Tensor) -> Tensor:
        right = (query * positive).sum(dim=1, keepdim=True)  # b 1
        logits = torch.cat([right, query @ negatives.T], dim=1) / temperature  # b 1+q
        return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device), reduction="none")

    return by_blocks(among_negatives, query, positive, candidates=1 + len(negatives)).mean()


class NTXent(Loss):
    """NT-Xent, the loss of SimCLR (arXiv:2002.05709, equation 1; objective.py of the authors).

        loss = mean over 2N anchors of -log( exp(z_i·z_j/τ) / Σ_{c≠i} exp(z_i·z_c/τ) )

    Each of the 2N rows is an anchor, its positive is the other view of the same image, every other row of both views is a
    negative: 2N - 1 candidates, uniform value ln(2N - 1). With gathered views the anchors are this rank's rows and the
    candidates those of all ranks. More than two views: the mean over all ordered pairs of views as positives.
    z: a list of views, each (b d) or gathered (B d); τ = temperature.
    Differs: the authors add the two directions instead of averaging, twice this value: say so with `weight: 2`.
    """

    name = "nt_xent"
    term = "the NT-Xent loss"
    prevents_collapse = True
    candidates = ("z",)
    undecided = "z"
    z = Input("features[b d]", "a list of views of the same images", takes_list=True, views=2)
    temperature = scheduled(0.1, "τ: what similarities are divided by.", above=0)
    normalize = NORMALIZE

    @classmethod
    def call_arguments(cls, attrs: Mapping[str, Any], given: Mapping[str, Edge]) -> dict[str, Any]:
        gathered = all(value.gathered for value in given["z"].values)
        return super().call_arguments(attrs, given) | ({"gathered": True} if gathered else {})

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return nt_xent


def nt_xent(z: list[Tensor], *, temperature: float | Tensor, normalize: bool = True, gathered: bool = False) -> Tensor:
    """z: v views of (b d), or, `gathered`, of (B d) with the rows of all ranks -> scalar."""
    import torch
    import torch.nn.functional as F

    from graphssl.ops.modules.blocks import by_blocks
    from graphssl.ops.modules.distributed import own_rows
    from graphssl.ops.modules.precision import full_precision

    candidates = torch.cat([full_precision(view) for view in z])  # v·B d
    candidates = F.normalize(candidates, dim=1) if normalize else candidates
    n, device = len(z[0]), candidates.device
    rows = own_rows(n, device) if gathered else torch.arange(n, device=device)  # b: this rank's rows of each view
    anchors = torch.cat([rows + i * n for i in range(len(z))])

    def losses(anchors: Tensor) -> Tensor:
        logits = candidates[anchors] @ candidates.T / temperature  # b v·B
        logits = logits.scatter(1, anchors[:, None], float("-inf"))  # an anchor is no candidate of its own
        positives = [
            (anchors + shift) % len(candidates) for shift in range(n, len(candidates), n)
        ]  # in the other views
        return torch.stack([F.cross_entropy(logits, each, reduction="none") for each in positives]).mean(dim=0)

    return by_blocks(losses, anchors, candidates=len(candidates)).mean()


class NegativesLoss(Loss):
    """The part of a contrastive loss that pushes apart (BYOL, arXiv:2006.07733, appendix F.4: the term behind β).

        loss = mean over pairs of views u ≠ v and i of τ ln( Σ_{j≠i} exp(q_ui·k_uj/τ) + Σ_j exp(q_ui·k_vj/τ) )

    Added to an alignment term, -q_ui·k_vi, it makes NT-Xent times τ; alone it spreads the rows over the sphere.
    query: a list of views (b d); key: a list of as many, (b d) or gathered (B d); τ = temperature.
    Differs: BYOL writes 2β per direction and adds the directions: say so with `weight`.
    """

    name = "negatives_loss"
    term = "a term of negatives"
    prevents_collapse = True
    candidates = ("key",)
    query = Input("features[b d]", "a list of views", takes_list=True, views=2)
    key = Input("features[p d]", "a list of as many views of the same images", takes_list=True, views=2)
    temperature = scheduled(0.1, "τ: what similarities are divided by.", above=0)
    normalize = NORMALIZE

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return negatives_loss


def negatives_loss(
    query: list[Tensor], key: list[Tensor], *, temperature: float | Tensor, normalize: bool = True
) -> Tensor:
    """query: v views of (b d), key: v views of (b d) or (B d) -> scalar."""
    import torch
    import torch.nn.functional as F

    from graphssl.ops.modules.blocks import by_blocks
    from graphssl.ops.modules.distributed import first_row
    from graphssl.ops.modules.precision import full_precision

    queries, keys = [full_precision(view) for view in query], [full_precision(view) for view in key]
    if normalize:
        queries, keys = [F.normalize(x, dim=1) for x in queries], [F.normalize(x, dim=1) for x in keys]
    own = torch.arange(len(queries[0]), device=queries[0].device) + first_row(queries[0], keys[0])

    def losses(q: Tensor, own: Tensor, u: int) -> Tensor:
        same = (q @ keys[u].T / temperature).scatter(1, own[:, None], float("-inf"))  # b p: itself is no negative
        other = [torch.cat([same, q @ k.T / temperature], dim=1) for v, k in enumerate(keys) if v != u]
        return torch.stack([temperature * torch.logsumexp(logits, dim=1) for logits in other]).mean(dim=0)

    each = [by_blocks(partial(losses, u=u), q, own, candidates=2 * len(keys[0])) for u, q in enumerate(queries)]
    return torch.stack(each).mean()
