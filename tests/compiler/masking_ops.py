"""A plugin whose op makes a mask of tokens, in place of one that the data side gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphssl.ir.signature import Input, Output, Pure


class Positive(Pure):
    """Masks the tokens whose mean is positive."""

    name = "positive"
    x = Input("tokens[b n d]", "tokens", blocks_gradient=True)
    output = Output("mask[b n]", "true where positive")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return positive


def positive(x: Any) -> Any:
    return x.detach().mean(dim=-1) > 0


OPS = (Positive,)
