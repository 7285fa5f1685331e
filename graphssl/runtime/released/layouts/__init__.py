"""Every known layout, in the order in which they are tried: those with more marks first."""

from __future__ import annotations

from graphssl.runtime.released.layouts.dino import DINO
from graphssl.runtime.released.layouts.dinov2 import DINOV2, DINOV2_FLAT
from graphssl.runtime.released.layouts.ibot import IBOT
from graphssl.runtime.released.layouts.moco import MOCO
from graphssl.runtime.released.layouts.moco_v3 import MOCO_V3
from graphssl.runtime.released.layouts.plain import PLAIN
from graphssl.runtime.released.names import Layout

LAYOUTS: tuple[Layout, ...] = (*DINOV2, *IBOT, *DINO, *MOCO_V3, *MOCO, *DINOV2_FLAT, *PLAIN)
METHODS: tuple[str, ...] = tuple(dict.fromkeys(layout.method for layout in LAYOUTS if layout.method))
"""Those that can be written."""
