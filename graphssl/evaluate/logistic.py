"""Multinomial logistic regression on frozen features."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from graphssl.progress import progress

if TYPE_CHECKING:
    from graphssl.evaluate.frozen import Labelled

GRIDS: dict[str, tuple[float, ...]] = {
    "short": tuple(10.0**power for power in range(-6, 6)),
    "dinov2": tuple(10.0**power for power in np.linspace(-6, 5, 45)),
}
"""Values of C, the inverse of the weight of the penalty."""

SCALES = ("standard", "length", "none")


class Scale:
    """What is done to features before: `standard`: mean 0 and deviation 1 of each column over the training images;
    `length`: each row of length 1; `none`."""

    def __init__(self, name: str, rows: Tensor) -> None:
        self.name = name
        self.mean, self.deviation = rows.mean(0), rows.std(0, correction=0)
        self.deviation[self.deviation == 0] = 1  # a column that is the same everywhere stays 0

    def __call__(self, rows: Tensor) -> Tensor:
        if self.name == "length":
            return F.normalize(rows, dim=1)
        return (rows - self.mean) / self.deviation if self.name == "standard" else rows


def fitted(rows: Tensor, labels: Tensor, c: float, max_iter: int) -> tuple[LogisticRegression, bool]:
    """The classifier that minimises ½ ‖weights‖² + c · Σ cross-entropy, in the precision of the rows, and whether it converged."""
    model = LogisticRegression(C=c, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows.numpy(), labels.numpy())
    return model, bool(model.n_iter_.max() < max_iter)


def accuracy(model: LogisticRegression, rows: Tensor, labels: Tensor) -> float:
    """Share of right answers, between 0 and 1."""
    return float((torch.from_numpy(model.predict(rows.numpy())) == labels).double().mean())


def logistic(found: Labelled, *, grid: str = "short", scale: str = "standard", max_iter: int = 1000) -> dict[str, Any]:
    """Top-1 on the test images of logistic regression on all training images, at the C that is best on a held-out tenth of them.

    Of equal ones the smallest C. grid: of `GRIDS`. scale: of `SCALES`. max_iter: of L-BFGS, for each C; `not_converged` tells
    the C that had to stop there. Source: DINOv2's evaluation (dinov2/eval/log_regression.py), the C of its grid and 1000 iterations.
    Differs: it takes features as they are (`none`), float64 and a tolerance of 1e-12 where this takes float32 and scikit-learn's
    1e-4, and a tenth that is not balanced.
    Raises DataError where there are too few images to hold a tenth out.
    """
    held, tried, stopped = found.held_out(), [], []
    scaled = Scale(scale, held.bank)
    bank, queries = scaled(held.bank), scaled(held.queries)
    with progress("values of C", len(GRIDS[grid]) + 1) as advance:
        for c in GRIDS[grid]:
            model, converged = fitted(bank, held.bank_labels, c, max_iter)
            tried.append({"C": c, "held_out": accuracy(model, queries, held.labels)})
            stopped += [] if converged else [c]
            advance(1)
        best = max(tried, key=lambda one: one["held_out"])["C"]
        scaled = Scale(scale, found.bank)
        model, converged = fitted(scaled(found.bank), found.bank_labels, best, max_iter)
    return {
        "top1": accuracy(model, scaled(found.queries), found.labels),
        "C": best,
        "converged": converged,
        "chosen_on": len(held.queries),
        "scale": scale,
        "max_iter": max_iter,
        "grid": tried,
        "not_converged": stopped,
        **found.about,
    }
