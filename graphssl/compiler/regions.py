"""Contexts that parts of a step run in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision_region(device: torch.device) -> AbstractContextManager[None]:
    """Autocast switched off (the meta device, where shapes are checked, has none)."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
