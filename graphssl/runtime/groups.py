"""Which parameters a rule of `train.groups` means."""

from __future__ import annotations

from torch import nn

from graphssl.language.train import ParameterGroup

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def matches(rule: ParameterGroup, node: str, name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
    """Whether `rule` means this parameter.

    name: the full name, `f.layer1.0.bn1.weight`. node: its first part. module: the module that owns it.
    """
    if rule.node is not None:
        wanted = rule.node.replace("/", "_")
        if name != wanted and not name.startswith(f"{wanted}."):
            return False
    if not rule.match:
        return True
    parts = name.split(".")
    normed = isinstance(module, NORMS) or "norm" in type(module).__name__.lower()
    return any(word in parts or (word == "norm" and normed) for word in rule.match)
