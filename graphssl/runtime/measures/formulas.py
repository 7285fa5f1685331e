"""What the measures are: formulas on tensors that stay on their device, without graph and without gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

ROWS = 256
"""Vectors of a node that are measured at most, evenly spaced over what it gives."""


def vectors(value: Any) -> Tensor:
    """One vector a sample (n d), n at most ROWS: the first view of a list, tokens and maps averaged over places."""
    x: Tensor = (value[0] if isinstance(value, list) else value).detach()
    if x.dim() == 4:
        x = x.mean(dim=(2, 3))  # b d h w
    elif x.dim() == 3:
        x = x.mean(dim=1)  # b n d
    return x[:: max(1, math.ceil(len(x) / ROWS))].double() if x.device.type != "mps" else x.cpu().double()


def spread(rows: Tensor) -> Tensor:
    """√d · mean over dimensions of the standard deviation of the l2-normalised rows (n d) (SimSiam, arXiv:2011.10566, 4.1).

    0 where all rows point the same way, near 1 where they are spread evenly over the sphere; never above 1.
    """
    unit = nn.functional.normalize(rows, dim=1)
    found: Tensor = unit.std(dim=0, correction=0).mean() * rows.shape[1] ** 0.5
    return found


def gram(rows: Tensor) -> Tensor:
    """The smaller of XXᵀ and XᵀX of rows X (n d), whose eigenvalues are X's squared singular values."""
    return rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows


def effective_rank(products: Tensor) -> float:
    """exp of the entropy of the normalised singular values (RankMe, arXiv:2210.02885, equations 1 and 2), from a `gram`.

    Between 1 (all rows parallel) and min(n, d); 0 where every row is 0. Differs: without the paper's 1e-7 in the logarithm.
    """
    singular = torch.linalg.eigvalsh(products.cpu()).clamp(min=0).sqrt()
    singular = singular[singular > singular.max() * 1e-7]  # below is rounding
    shares = singular / singular.sum()
    return float(torch.exp(-(shares * shares.log()).sum())) if len(shares) else 0.0


def distance(slow: nn.Module, fast: nn.Module) -> Tensor:
    """‖t − s‖ / ‖s‖ over the parameters t of `slow` and those s of `fast` of the same names."""
    source = dict(fast.named_parameters())
    pairs = [(t.detach(), source[name].detach()) for name, t in slow.named_parameters()]
    apart = torch.stack([torch.linalg.vector_norm((t - s).float()) for t, s in pairs])
    whole = torch.stack([torch.linalg.vector_norm(s.float()) for _, s in pairs])
    found: Tensor = torch.linalg.vector_norm(apart) / torch.linalg.vector_norm(whole)
    return found


def gradient_norm(module: nn.Module) -> Tensor | None:
    """L2 norm of the gradient of all parameters; nothing where no gradient came."""
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(grads) if grads else None


def rounded(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")
