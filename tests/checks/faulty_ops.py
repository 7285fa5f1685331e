"""A plugin whose op gives another shape than it declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphssl.ir.signature import Input, Output, Pure


class Half(Pure):
    """Says that it keeps the width, and halves it."""

    name = "half"
    x = Input("features[b d]", "features")
    output = Output("features[b d]", "features of the same width")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return half


def half(x: Any) -> Any:
    return x[:, ::2]


OPS = (Half,)
