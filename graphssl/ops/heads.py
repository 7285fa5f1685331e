"""Heads: multi-layer perceptrons behind an encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from graphssl.ir.signature import Input, Module, Output
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import choice, flag, number, widths

_HIDDEN = re.compile(r"hidden\.[0-9]+")


class _Head(Module):
    by_vector = True
    features = Input("features[b d] | tokens[b n d]", "vectors to map")
    dims = widths(doc="Width of each layer; the last is the output, the others are hidden.")
    norm = choice("none", "batch", "layer", default="batch", doc="Normalisation after each hidden layer.")
    act = choice("relu", "gelu", default="relu", doc="Activation after each hidden layer.")
    bias = flag(True, doc="Bias of the hidden layers.")
    last_bias = flag(True, doc="Bias of the last layer.")
    last_norm = choice(
        "none",
        "batch",
        "batch_no_bias",
        "batch_no_affine",
        default="none",
        doc="Normalisation of the output: none, BatchNorm, BatchNorm without β, or without γ and β.",
    )
    init_std = number(
        None, doc="Normal initialisation with this deviation and zero bias; default: torch's own.", above=0
    )

    @classmethod
    def port_pattern(cls, port: str) -> str | None:
        return "features[b d]" if port == "output" or _HIDDEN.fullmatch(port) else None

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"d": attrs["dims"][-1]}

    @classmethod
    def take(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.mlp import take_layers

        return take_layers

    @classmethod
    def needed(cls, attrs: Mapping[str, Any], ports: Collection[str]) -> dict[str, Any]:
        """Without the output, only the layers up to the last hidden one that is used."""
        if "output" in ports or not ports:
            return {}
        return {"hidden": 1 + max(int(port.removeprefix("hidden.")) for port in ports)}

    @classmethod
    def infer(cls, node: str, port: str, attrs: Any, inputs: Any, bound: Any) -> Value:
        value = super().infer(node, port, attrs, inputs, bound)
        given = next(iter(inputs.values()))
        width: Axis = attrs["dims"][-1]
        if port != "output":
            layer = int(port.removeprefix("hidden."))
            width = attrs["dims"][layer] if layer < len(attrs["dims"]) - 1 else f"{node}.d"
        if given.kind != "tokens":
            return replace(value, axes=(*value.axes[:-1], width))
        return Value("tokens", (*given.axes[:-1], width), grad=value.grad, view=value.view)

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.mlp import mlp

        return mlp


class Projector(_Head):
    """MLP that maps features to the space where the loss compares them; thrown away after training.

    x -> [Linear - norm - activation] for each hidden width -> Linear - last_norm.
    features (b d) or tokens (b n d) -> the same with d = dims[-1]; port `hidden.I`: behind the activation of hidden layer I,
    counted from 0, with d = dims[I]. Layers that no used port needs are not built.
    Source: SimCLR (arXiv:2002.05709, section 4.2); widths, norms and biases differ between methods and are attributes.
    Differs: none known.
    """

    name = "projector"
    term = "a projector"
    output = Output("features[b d]", "projections")


class Predictor(_Head):
    """MLP on the online side alone that predicts the target's projection (BYOL, arXiv:2006.07733, section 3).

    The same network as `projector`; another word, because its absence on the target side is what makes BYOL work.
    Differs: none known.
    """

    name = "predictor"
    term = "a predictor"
    output = Output("features[b d]", "predictions")
