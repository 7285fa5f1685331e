"""From the host to the device where images are changed."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def moved(values: Tensor | NDArray[Any], device: torch.device) -> Tensor:
    """The values on a device. The host does not wait until the device has done what came before."""
    there = values if isinstance(values, Tensor) else torch.from_numpy(values)
    return there.to(device, non_blocking=device.type != "mps")  # which may read them when they are no longer there
