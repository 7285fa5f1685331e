"""The few lines at the start of a run: what will be trained, on what, and the numbers that were worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from graphssl.ir.graph import Node
from graphssl.pipeline import Method
from graphssl.runtime.placement import HOST
from graphssl.runtime.precision import precision_on

if TYPE_CHECKING:
    from graphssl.runtime.loop import Loop


def header(method: Method, loop: Loop, first: int) -> str:
    graph, module, source = loop.graph, loop.module, loop.source
    recipe, options, accelerator = loop.recipe, loop.options, loop.accelerator
    per_epoch = loop.sampler.steps_per_epoch
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    total = sum(p.numel() for p in module.parameters())
    classes = f", {len(source.classes)} classes" if source.classes else ", no labels"
    ranks = f" × {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
    scaled = f" = {recipe.lr_base:g} × {recipe.lr_factor():g} for batch {recipe.batch_size}"
    lines = [
        f"{method.reference}: {graph.title} -> {options.out}",
        f"  data      {options.data}: {len(source)} images{classes}",
        *(
            f"  {node.name:<9} {_encoder(getattr(module, node.name.replace('/', '_')), node)}"
            for node in graph
            if node.op.name == "encoder"
        ),
        f"  weights   {trained / 1e6:.2f} M trained of {total / 1e6:.2f} M",
        f"  steps     {loop.steps} of {recipe.batch_size} images, {loop.steps / per_epoch:.4g} epochs"
        + (f" (resumed after step {first})" if first else ""),
        f"  optimizer {recipe.optimizer}, peak lr {recipe.peak_lr():.4g}{scaled if recipe.lr_per else ''}",
        f"  views     {_views(loop)}",
        f"  device    {accelerator.device.type}{ranks}, {precision_on(recipe.precision, accelerator.device)}"
        + (", blocks compiled" if options.compile else ""),
    ]
    return "\n".join(lines)


def _views(loop: Loop) -> str:
    workers = loop.evaluation.workers
    by = "the training's own process" if not workers else "1 worker" if workers == 1 else f"{workers} workers"
    if loop.placement.where == HOST:
        return f"made on the host by {by}: {loop.placement.why}"
    return f"made on {loop.accelerator.device.type} from what {by} decode{'s' * (workers < 2)}: {loop.placement.why}"


def _encoder(model: nn.Module, node: Node) -> str:
    arch = str(node.attrs["arch"])
    conv = getattr(model, "conv1", None)
    if not isinstance(conv, nn.Conv2d):
        return arch
    sizes = {v.axes[2] for v in node.given["image"].values}
    stem = f"{conv.kernel_size[0]}×{conv.kernel_size[0]} stride-{conv.stride[0]} stem"
    return f"{arch}, {stem} (`stem: {node.attrs['stem']}`, images of {max(sizes)} px)"
