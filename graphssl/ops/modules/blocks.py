"""Losses of many candidates, a block of rows at a time: the memory of a block, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LOGITS = 1 << 22  # logits alive at once, at most; 16 MiB in float32


def by_blocks(losses: Callable[..., Tensor], *rows: Tensor, candidates: int) -> Tensor:
    """losses(*rows), each (b …) -> (b,): a loss for every row, which comes of that row and `candidates` logits.

    A block of rows is computed at a time, and again on the way back; a batch that fits into one block is not split.
    """
    size = max(1, LOGITS // candidates)
    if len(rows[0]) <= size:
        return losses(*rows)
    blocks = zip(*(x.split(size) for x in rows), strict=True)
    return torch.cat([checkpoint(losses, *block, use_reentrant=False, preserve_rng_state=False) for block in blocks])
