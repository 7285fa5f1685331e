"""`--format torchvision`: a state dict that a ResNet of torchvision loads, all names but the classifier's."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import nn

from graphssl.export.plain import plain
from graphssl.export.source import Source
from graphssl.ops.modules.encoder import use_small_stem
from graphssl.runtime.errors import RunError
from graphssl.runtime.released.file import read_file


def write(source: Source, folder: Path, name: str) -> list[str]:
    """The weights as `name` into a folder, loaded by torchvision's own model and compared to the bit; what to tell.

    Raises:
        RunError: torchvision has no such ResNet, or it was changed (its stem, its widths).
    """
    encoder = plain(source)
    arch = encoder.arch.partition(".")[0]
    if arch not in torchvision.models.list_models(torchvision.models) or not hasattr(source.encoder.backbone, "conv1"):
        raise RunError(f"torchvision has no ResNet called `{arch}`: use --format timm")
    if encoder.arguments:
        raise RunError(f"torchvision's `{arch}` has no arguments {', '.join(encoder.arguments)}: use --format timm")
    model = torchvision.models.get_model(arch, weights=None)
    model.fc = nn.Identity()
    if encoder.stride is not None:
        use_small_stem(model, encoder.stride)
    torch.save(encoder.state, folder / name)
    model.load_state_dict(read_file(folder / name))
    encoder.require_same(model)
    lines = [f"model = torchvision.models.{arch}()", "model.fc = torch.nn.Identity()"]
    if encoder.stride is not None:
        lines += [
            f"model.conv1 = torch.nn.Conv2d(3, 64, 3, stride={encoder.stride}, padding=1, bias=False)",
            "model.maxpool = torch.nn.Identity()",
        ]
    lines.append(f"model.load_state_dict(torch.load({name!r}))")
    code = "\n".join(["import torch", "import torchvision", "", *lines])
    (folder / f"{name}.md").write_text(f"# {name}\n\n```python\n{code}\n```\n")
    return [f"{len(encoder.state)} tensors of torchvision's {arch}, features equal to the bit"]
