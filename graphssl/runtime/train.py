"""Training a method: everything is made ready here, top to bottom, and handed to the loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator

from graphssl.checks import bn_group_does_not_divide
from graphssl.data.archive import cache_folder
from graphssl.data.errors import NoSplit
from graphssl.data.loader import Batch, TrainSteps, train_loader
from graphssl.data.resident import resident
from graphssl.data.samples import Maker
from graphssl.data.shard_sampler import sampler_of
from graphssl.data.sources import ImageSource, kept, open_data
from graphssl.data.subset import balanced_share
from graphssl.ir.graph import Graph
from graphssl.language.train import Train
from graphssl.ops.modules.batch_norm import synchronise_batch_norm
from graphssl.pipeline import Method
from graphssl.runtime.agreement import require_same_images
from graphssl.runtime.errors import RunError
from graphssl.runtime.evaluation import Evaluation
from graphssl.runtime.exact import ExactAccumulation
from graphssl.runtime.faults import told
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.header import header
from graphssl.runtime.interrupt import stopping
from graphssl.runtime.loop import Loop
from graphssl.runtime.makers import makers_of
from graphssl.runtime.measures import Measuring
from graphssl.runtime.memory import remember
from graphssl.runtime.optim import Optimizers
from graphssl.runtime.options import Options
from graphssl.runtime.peers import Peers
from graphssl.runtime.placement import DEVICE, placement
from graphssl.runtime.regions import compile_regions, require_compiler
from graphssl.runtime.report import Report
from graphssl.runtime.resume import claim, origin, put_back
from graphssl.runtime.sharding import shard
from graphssl.runtime.start import accelerator_for, compiled
from graphssl.runtime.weights import start_from_runs


def train(method: Method, options: Options) -> int:
    """Train a method on data into a run folder; the exit code. Raises RunError for what a person can mend."""
    graph = method.checked_graph()
    recipe = recipe_of(graph)
    accelerator = accelerator_for(recipe, options)
    folder = RunFolder(options.out)
    main = accelerator.is_main_process
    with Peers(accelerator.process_index, accelerator.num_processes), folder.claimed() if main else nullcontext():
        ready = prepare(method, graph, recipe, options, accelerator, folder)
        if main:
            print(header(method, ready.loop, ready.first), file=sys.stderr)
        if options.log_with:
            accelerator.init_trackers(f"graphssl-{graph.name}", config={"data": options.data, "out": options.out})
        with told(folder), Report(ready.first, ready.loop.steps, active=main) as report, stopping() as ready.loop.stop:
            code = ready.loop.run(ready.batches, ready.first, report)
        accelerator.end_training()
    return code


def recipe_of(graph: Graph) -> Train:
    """How a method is trained; refuses one that does not say."""
    if graph.train is None:
        raise RunError(f"`{graph.name}` has no `train:`, so there is nothing to train")
    return graph.train


class Ready(NamedTuple):
    """A run that can begin: its loop, the first step to do, and the batches from there on."""

    loop: Loop
    first: int
    batches: Iterator[Batch]


def prepare(
    method: Method, graph: Graph, recipe: Train, options: Options, accelerator: Accelerator, folder: RunFolder
) -> Ready:
    """Open the data, build the module and its optimizers, and begin the run folder or go on from it."""
    if options.compile:
        require_compiler(accelerator.device, graph)
    images = balanced_share(open_data(options.data, "train", seed=recipe.seed), recipe.images, seed=recipe.seed)
    require_same_images(images)
    source = _kept(images, options)
    ranks = accelerator.num_processes
    if recipe.batch_size % (ranks * recipe.accumulate):
        parts = f"{ranks} processes × {recipe.accumulate} micro-batches"
        raise RunError(f"train.batch_size {recipe.batch_size} cannot be split over {parts}: make it a multiple")
    if recipe.micro_batch and recipe.batch_size % (ranks * recipe.micro_batch):
        parts = f"micro-batches of {recipe.micro_batch} on each of {ranks} processes"
        raise RunError(f"train.batch_size {recipe.batch_size} cannot be split into {parts}: make it a multiple")
    for finding in bn_group_does_not_divide.check(graph, ranks):
        raise RunError(f"{finding.message} on each of {ranks} processes: {finding.help}")
    sampler = sampler_of(
        source, recipe.batch_size // ranks, rank=accelerator.process_index, world_size=ranks, seed=recipe.seed
    )
    per_epoch = sampler.steps_per_epoch
    steps = options.steps or max(1, round(recipe.epochs * per_epoch))
    start = origin(folder, method, options, accelerator, steps=steps, samples=len(source))
    first = start.step

    torch.manual_seed(recipe.seed)
    module = compiled(method, steps=steps, steps_per_epoch=per_epoch, pretrained=start.path is None)
    if accelerator.is_main_process:
        claim(folder, start, method, options.keep_checkpoints)
    accelerator.wait_for_everyone()
    module.to(memory_format=torch.channels_last)
    if start.path is None:
        told = start_from_runs(module, graph)
        if accelerator.is_main_process:
            print(*told, sep="\n", end="\n" * bool(told), file=sys.stderr)
    if ranks > 1 and recipe.sync_bn:
        synchronise_batch_norm(module, accelerator.device)
    optimizers = Optimizers(module, graph, recipe, steps, per_epoch)
    module.to(accelerator.device)
    put_back(start, module, optimizers)
    if options.compile:
        compile_regions(module, graph)
    if accelerator.is_fsdp2:
        model, prepared = shard(accelerator, module, graph, optimizers)
    else:
        model, *prepared = accelerator.prepare(module, *optimizers.all())

    workers = _workers(options, accelerator)
    makers = makers_of(graph, seed=recipe.seed, steps=steps, per_epoch=per_epoch)
    evaluation = Evaluation(
        graph, module, source, _test_split(options, recipe), accelerator, options.eval_samples, workers
    )
    where = placement(options.augment, start.facts, accelerator, TrainSteps(source, sampler, makers), first, workers)
    reads = accelerator.is_main_process or accelerator.is_fsdp2  # split weights are measured by all together
    measuring = Measuring(graph, module, steps, per_epoch, options.measure_every, main=reads)
    loop = Loop(
        graph, recipe, options, accelerator, folder, module, model, optimizers, prepared, source, sampler, evaluation,
        measuring, steps, where, exact=ExactAccumulation(graph, module, accelerator) if recipe.micro_batch else None,
    )  # fmt: skip
    if start.facts:
        remember(loop.memory, start.facts["memory"])
    return Ready(loop, first, _batches(loop, makers, first, workers))


def _batches(loop: Loop, makers: dict[str, Maker], first: int, workers: int) -> Iterator[Batch]:
    """The batches from step `first` on, their views made where the run makes them."""
    source, device = loop.source, loop.accelerator.device if loop.placement.where == DEVICE else None
    if device and device.type == "cuda" and loop.options.cache != "none":
        room = torch.cuda.mem_get_info(device)[0] // 8
        if here := resident(source, device, limit_bytes=room, workers=workers):
            source, workers = here, 0
    return train_loader(
        source, loop.sampler, makers, first_step=first, last_step=loop.steps, workers=workers, device=device
    )


def _kept(source: ImageSource, options: Options) -> ImageSource:
    folder = Path(options.cache_dir).expanduser() if options.cache_dir else cache_folder() / "decoded"
    return kept(source, options.cache, limit_bytes=int(options.cache_gb * 2**30), folder=folder)


def _test_split(options: Options, recipe: Train) -> ImageSource | None:
    if options.eval_every == 0:
        return None
    try:
        return _kept(open_data(options.data, "test", seed=recipe.seed), options)
    except NoSplit:
        return None


def _workers(options: Options, accelerator: Accelerator) -> int:
    """Loader processes per rank: as asked, or the cores that training leaves."""
    if options.workers is not None:
        return options.workers
    if accelerator.device.type == "cpu":
        return 0
    ranks: int = accelerator.num_processes
    return min(16, max(1, (os.cpu_count() or 1) // ranks))
