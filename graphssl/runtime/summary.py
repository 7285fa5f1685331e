"""What summary.json says of a finished run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from graphssl import __version__


def summary(metrics: Iterable[Mapping[str, Any]], steps: int, epochs: float, knn: str | None) -> dict[str, Any]:
    """From the logged lines: how long it was, first and last loss and kNN accuracy, what it was told. knn: its settings."""
    records = list(metrics)
    losses = [r["loss"] for r in records if "loss" in r]
    scores = [r["knn"] for r in records if "knn" in r]
    return {
        "steps": steps,
        "epochs": round(epochs, 4),
        "loss": {"first": losses[0], "last": losses[-1]} if losses else None,
        "knn": {"first": scores[0], "last": scores[-1], "settings": knn} if scores else None,
        "diagnosis": [{"step": r["step"], **found} for r in records for found in r.get("diagnosis", ())],
        "graphssl": __version__,
        "torch": torch.__version__,
        "command": shlex.join(sys.argv),
    }
