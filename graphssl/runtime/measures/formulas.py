"""What the measures are: formulas on tensors that stay on their device, without graph and without gradient.

Of weights that are split over processes all parts are looked at, so that every process has to measure.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphssl.runtime.sharding import whole

ROWS = 256
"""Vectors of a node that are measured at most, evenly spaced over what it gives."""

WEIGHTS = 2**20
"""Weights of a module that are compared before and after a step, evenly spaced over all."""


def vectors(x: Tensor) -> Tensor:
    """One vector a sample (n d), n at most ROWS: tokens and maps averaged over places."""
    x = x.detach()
    if x.dim() == 4:
        x = x.mean(dim=(2, 3))  # b d h w
    elif x.dim() == 3:
        x = x.mean(dim=1)  # b n d
    return spaced(x)


def spaced(x: Tensor) -> Tensor:
    """At most ROWS rows of x (n d), evenly spaced, in double precision."""
    x = x[:: max(1, math.ceil(len(x) / ROWS))]
    return x.double() if x.device.type != "mps" else x.cpu().double()


def spread(rows: Tensor) -> Tensor:
    """√d · mean over dimensions of the standard deviation of the l2-normalised rows (n d) (SimSiam, arXiv:2011.10566, 4.1).

    0 where all rows point the same way, near 1 where they are spread evenly over the sphere; never above 1.
    """
    unit = F.normalize(rows, dim=1)
    found: Tensor = unit.std(dim=0, correction=0).mean() * rows.shape[1] ** 0.5
    return found


def alignment(rows: Tensor, others: Tensor) -> Tensor:
    """mean_i ‖x_i - y_i‖² of l2-normalised rows x, y (n d) of two views (Wang and Isola, arXiv:2005.10242, equation 1, α = 2).

    0 where both views give the same vector, 2 where they have nothing to do with each other.
    """
    found: Tensor = (F.normalize(rows, dim=1) - F.normalize(others, dim=1)).square().sum(dim=1).mean()
    return found


def uniformity(rows: Tensor) -> Tensor:
    """log of the mean over pairs i ≠ j of exp(-2 ‖x_i - x_j‖²), rows x (n d) l2-normalised (arXiv:2005.10242, eq. 2, t = 2).

    0 where all rows are the same, about -4 where they are spread evenly over a sphere of many dimensions.
    """
    unit = F.normalize(rows, dim=1)
    distances = (2 - 2 * unit @ unit.T).clamp(min=0)  # n n, squared
    others = ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    found: Tensor = (-2 * distances[others]).exp().mean().log()
    return found


def entropy(probabilities: Tensor) -> Tensor:
    """-Σ_k p_k ln p_k along the last axis, in nats: 0 where one of K has it all, ln K where all have the same."""
    found: Tensor = torch.special.entr(probabilities).sum(dim=-1)
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
    return float(entropy(singular / singular.sum()).exp()) if len(singular) else 0.0


def distance(slow: nn.Module, fast: nn.Module) -> Tensor:
    """‖t - s‖ / ‖s‖ over the parameters t of `slow` and those s of `fast` of the same names."""
    source = dict(fast.named_parameters())
    pairs = [(whole(t.detach()), whole(source[name].detach())) for name, t in slow.named_parameters()]
    apart = torch.stack([torch.linalg.vector_norm((t - s).float()) for t, s in pairs])
    size = torch.stack([torch.linalg.vector_norm(s.float()) for _, s in pairs])
    found: Tensor = torch.linalg.vector_norm(apart) / torch.linalg.vector_norm(size)
    return found


def gradient_norm(module: nn.Module) -> Tensor | None:
    """L2 norm of the gradient of all parameters; nothing where no gradient came."""
    grads = [whole(p.grad.detach()) for p in module.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(grads) if grads else None


def weight_norm(module: nn.Module) -> Tensor:
    """L2 norm of all parameters."""
    return torch.nn.utils.get_total_norm([whole(p.detach()) for p in module.parameters()])


def some_weights(module: nn.Module) -> Tensor:
    """Numbers of the parameters of a module as they are now, at most about WEIGHTS."""
    parts = [whole(p.detach()).flatten() for p in module.parameters()]
    stride = max(1, math.ceil(sum(map(len, parts)) / WEIGHTS))
    return torch.cat([part[::stride].float() for part in parts]).clone()


def change(after: Tensor, before: Tensor) -> Tensor:
    """‖after - before‖ / ‖before‖."""
    found: Tensor = torch.linalg.vector_norm(after - before) / torch.linalg.vector_norm(before)
    return found


def rounded(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")
