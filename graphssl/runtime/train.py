"""The training loop. Reads downwards: folder, data, module, optimizers, resume, steps, summary."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, set_seed
from torch import Tensor, nn

from graphssl import __version__
from graphssl.data.augment import Augmenter
from graphssl.data.errors import NoSplit
from graphssl.data.loader import Batch, train_loader
from graphssl.data.sampler import EpochSampler
from graphssl.data.sources import ImageSource, cached, open_data
from graphssl.ir.graph import Graph
from graphssl.language.train import Train
from graphssl.pipeline import Method
from graphssl.pipeline import compile as compile_method
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.evaluation import Evaluation
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.header import header
from graphssl.runtime.optim import Optimizers
from graphssl.runtime.report import Report
from graphssl.runtime.views import view_plans

INTERRUPTED = 130
MAX_SKIPPED_IN_A_ROW = 10


@dataclass(frozen=True)
class Options:
    """How a run is run; what is learned is in the method."""

    data: str
    out: str
    steps: int | None = None
    resume: bool = False
    allow_changed: bool = False
    device: str | None = None
    workers: int | None = None
    log_every: int = 10
    eval_every: float | None = None
    eval_samples: int = 5_000
    checkpoint_every: float | None = None
    keep_checkpoints: int = 2
    max_bad: float = 0.01
    cache_gb: float = 4.0
    log_with: str | None = None


def train(method: Method, options: Options) -> int:
    """Train a method on data into a run folder; the exit code. Raises RunError for what a person can mend."""
    graph = method.checked_graph()
    if graph.train is None:
        raise RunError(f"`{graph.name}` has no `train:`, so there is nothing to train")
    recipe = graph.train
    source = cached(open_data(options.data, "train", seed=recipe.seed), int(options.cache_gb * 2**30))
    accelerator = _accelerator(recipe, options)
    main = accelerator.is_main_process
    folder = RunFolder(options.out)
    facts = _begin(folder, method, options, accelerator)

    ranks = accelerator.num_processes
    if recipe.batch_size % (ranks * recipe.accumulate):
        parts = f"{ranks} processes × {recipe.accumulate} micro-batches"
        raise RunError(f"train.batch_size {recipe.batch_size} cannot be split over {parts}: make it a multiple")
    sampler = EpochSampler(
        len(source), recipe.batch_size // ranks, rank=accelerator.process_index, world_size=ranks, seed=recipe.seed
    )
    per_epoch = sampler.steps_per_epoch
    steps = options.steps or max(1, round(recipe.epochs * per_epoch))

    torch.manual_seed(recipe.seed)
    module = compile_method(method, steps=steps, steps_per_epoch=per_epoch).to(memory_format=torch.channels_last)
    if ranks > 1 and recipe.sync_bn and accelerator.device.type == "cuda":
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    optimizers = Optimizers(module, graph, recipe, steps, per_epoch)
    module.to(accelerator.device)
    first = 0
    if facts is not None:
        first = _resume(folder, facts, module, optimizers, steps)
    model, *prepared = accelerator.prepare(module, *optimizers.all())
    if facts is not None and accelerator.scaler is not None and facts["scaler"]:
        accelerator.scaler.load_state_dict(facts["scaler"])

    workers = _workers(options, accelerator)
    augmenter = Augmenter(view_plans(graph), seed=recipe.seed)
    evaluation = Evaluation(
        graph, module, source, _test_split(options, recipe), accelerator, options.eval_samples, workers
    )
    if main:
        print(header(method, module, source, recipe, options, accelerator, steps, per_epoch, first), file=sys.stderr)
    loop = _Loop(
        graph,
        recipe,
        options,
        accelerator,
        folder,
        module,
        model,
        optimizers,
        prepared,
        source,
        sampler,
        evaluation,
        steps,
    )
    loop.applied = bool(facts["applied"]) if facts else True
    _start_trackers(accelerator, options, graph)
    batches = train_loader(source, sampler, augmenter, first_step=first, last_step=steps, workers=workers)
    with Report(first, steps, active=main) as report, _stopping() as stop:
        code = loop.run(iter(batches), first, report, stop)
    accelerator.end_training()
    return code


class _Loop:
    """The steps of one run."""

    def __init__(
        self,
        graph: Graph,
        recipe: Train,
        options: Options,
        accelerator: Accelerator,
        folder: RunFolder,
        module: nn.Module,
        model: nn.Module,
        optimizers: Optimizers,
        prepared: list[Any],
        source: ImageSource,
        sampler: EpochSampler,
        evaluation: Evaluation,
        steps: int,
    ):
        self.graph, self.recipe, self.options = graph, recipe, options
        self.accelerator, self.folder = accelerator, folder
        self.module, self.model = module, model
        self.optimizers, self.prepared = optimizers, prepared
        self.source, self.sampler, self.evaluation, self.steps = source, sampler, evaluation, steps
        self.applied = True
        self.skipped_in_a_row = 0
        self.bad: dict[str, str] = {}
        per_epoch = sampler.steps_per_epoch
        epochs = max(1.0, steps / per_epoch)
        every = options.eval_every if options.eval_every is not None else max(1.0, epochs / 10)
        self.eval_steps = max(1, round(every * per_epoch)) if every > 0 else steps + 1
        every = options.checkpoint_every if options.checkpoint_every is not None else max(1.0, epochs / 10)
        self.save_steps = max(1, round(every * per_epoch))

    def run(self, batches: Iterator[Batch], first: int, report: Report, stop: _Stop) -> int:
        """Train from step `first` to the end; 0, or 130 when interrupted."""
        if first == 0:
            self.evaluate(0, report)
        self.model.train()
        report.begin()
        begun, since = time.perf_counter(), first
        for step in range(first, self.steps):
            batch = next(batches)
            self.note_bad(batch, report)
            lr = self.optimizers.schedule(step)
            outputs = self.step(step, batch)
            done = step + 1
            if done % self.options.log_every == 0 or step == first or done == self.steps:
                now = time.perf_counter()
                rate = (done - since) * self.recipe.batch_size / max(now - begun, 1e-9)
                self.log(done, outputs, lr, rate, report)
                begun, since = now, done
            if done % self.eval_steps == 0 or done == self.steps:
                self.evaluate(done, report)
                begun, since = time.perf_counter(), done
            interrupted = self.agreed(stop.wanted)
            if done % self.save_steps == 0 or done == self.steps or interrupted:
                self.save(done)
            if interrupted and done < self.steps:
                report.say(f"stopped after step {done}; continue with the same command and --resume")
                return INTERRUPTED
        self.finish(report)
        return 0

    def step(self, step: int, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step; the losses and monitors, averaged over micro-batches."""
        recipe, accelerator = self.recipe, self.accelerator
        set_seed(_step_seed(recipe.seed, step, accelerator.process_index))
        if self.applied:  # a skipped step left the weights as they were: its EMA has been done
            self.module.commit("before_forward", step)  # type: ignore[operator]
        outputs: dict[str, Tensor] = {}
        finite = torch.ones((), device=accelerator.device)
        for optimizer in self.prepared:
            optimizer.zero_grad(set_to_none=True)
        for i, views in enumerate(self.micro_batches(batch)):
            last = i == recipe.accumulate - 1
            with nullcontext() if last else accelerator.no_sync(self.model):
                out = self.model(views, step)
                accelerator.backward(out.loss / recipe.accumulate)
            finite = finite * torch.isfinite(out.loss.detach())
            for name, value in {"loss": out.loss, **out.losses, **out.monitors}.items():
                outputs[name] = outputs.get(name, 0.0) + value.detach() / recipe.accumulate
        if accelerator.num_processes > 1:
            finite = accelerator.reduce(finite, "mean")
        if float(finite) == 1.0:
            accelerator.unscale_gradients()
            self.optimizers.drop_frozen(step)
            self.optimizers.clip()
            for optimizer in self.prepared:
                optimizer.step()
            self.applied = not accelerator.optimizer_step_was_skipped
        else:
            self.applied = False
        if self.applied:
            self.module.commit("after_step", step)  # type: ignore[operator]
            self.skipped_in_a_row = 0
        else:
            self.module.discard()  # type: ignore[operator]
            self.skipped_in_a_row += 1
            if self.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
                raise RunError(
                    f"the loss was not finite {MAX_SKIPPED_IN_A_ROW} steps in a row (up to step {step}): "
                    "lower the learning rate, or use bf16 or fp32 instead of fp16"
                )
        return outputs

    def micro_batches(self, batch: Batch) -> Iterator[dict[str, Any]]:
        """The rank's batch on the device, split into micro-batches, by source-node name."""
        device, parts = self.accelerator.device, self.recipe.accumulate
        size = len(batch.labels) // parts

        def move(x: Tensor, i: int) -> Tensor:
            part = x[i * size : (i + 1) * size].to(device, non_blocking=True)
            return part.contiguous(memory_format=torch.channels_last) if part.dim() == 4 else part

        for i in range(parts):
            views: dict[str, Any] = {}
            for name, view in batch.views.items():
                views[name] = [move(v, i) for v in view] if isinstance(view, list) else move(view, i)
            for node in self.graph.sources():
                if node.op.name == "label":
                    views[node.name] = move(batch.labels, i)
            yield views

    def log(self, done: int, outputs: dict[str, Tensor], lr: float, rate: float, report: Report) -> None:
        """One line of metrics: the mean over ranks."""
        names = list(outputs)
        stacked = torch.stack([outputs[name].float() for name in names])
        if self.accelerator.num_processes > 1:
            stacked = self.accelerator.reduce(stacked, "mean")
        values = dict(zip(names, (round(v, 6) for v in stacked.tolist()), strict=True))
        epoch = done / self.sampler.steps_per_epoch
        self.accelerator.log({**values, "lr": lr}, step=done)
        if self.accelerator.is_main_process:
            self.folder.log(
                {"step": done, "epoch": round(epoch, 4), **values, "lr": lr, "images_per_s": round(rate, 1)}
            )
        shown = {name: value for name, value in values.items() if name in {n.name for n in self.graph.losses()}}
        monitors = {name: values[name] for name, _ in self.graph.monitors}
        report.step(done, {**shown, **monitors}, rate)

    def evaluate(self, done: int, report: Report) -> None:
        """kNN on the test split so far, where there is one."""
        if self.options.eval_every == 0 or not self.evaluation.possible:
            return
        top1 = self.evaluation.knn()
        report.knn = top1
        self.accelerator.log({"knn": top1}, step=done)
        if self.accelerator.is_main_process:
            self.folder.log({"step": done, "epoch": round(done / self.sampler.steps_per_epoch, 4), "knn": top1})
        where = "random encoder" if done == 0 else f"step {done}"
        report.say(f"{where}: kNN {top1:.1%} ({self.evaluation.settings})")

    def save(self, done: int) -> None:
        """Write a checkpoint after `done` steps."""
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            facts = {
                "applied": self.applied,
                "data": self.options.data,
                "graphssl": __version__,
                "samples": len(self.source),
                "scaler": scaler.state_dict() if scaler is not None else None,
                "total_steps": self.steps,
            }
            optimizers = [getattr(o, "optimizer", o) for o in self.prepared]
            checkpoint.save(
                self.folder.checkpoints, done, self.module, optimizers, facts, keep=self.options.keep_checkpoints
            )
        self.accelerator.wait_for_everyone()

    def finish(self, report: Report) -> None:
        """Sum the run up."""
        if not self.accelerator.is_main_process:
            return
        records = list(self.folder.metrics())
        losses = [r for r in records if "loss" in r]
        scores = [r["knn"] for r in records if "knn" in r]
        self.folder.summarize(
            method=self.graph.name,
            data=self.options.data,
            steps=self.steps,
            processes=self.accelerator.num_processes,
            epochs=round(self.steps / self.sampler.steps_per_epoch, 4),
            loss={"first": losses[0]["loss"], "last": losses[-1]["loss"]} if losses else None,
            knn={"first": scores[0], "last": scores[-1], "settings": self.evaluation.settings} if scores else None,
            bad_images=self.bad,
            graphssl=__version__,
            torch=torch.__version__,
            command=" ".join(sys.argv),
        )
        report.say(f"done: {self.folder.path} (summary.json, metrics.jsonl, checkpoints/)")

    def note_bad(self, batch: Batch, report: Report) -> None:
        """Count images that could not be read, name each once, stop when they are too many."""
        for path, reason in batch.bad:
            if path not in self.bad:
                self.bad[path] = reason
                report.say(f"skipped `{path}`: {reason}; another image takes its place")
        if len(self.bad) > max(1.0, self.options.max_bad * len(self.source)):
            name = next(iter(self.bad))
            raise RunError(
                f"{len(self.bad)} of {len(self.source)} images cannot be read (the first: `{name}`), more than the "
                f"{self.options.max_bad:.1%} that --max-bad allows"
            )

    def agreed(self, wanted: bool) -> bool:
        """Whether any rank was asked to stop."""
        if self.accelerator.num_processes == 1:
            return wanted
        flag = torch.tensor(float(wanted), device=self.accelerator.device)
        return float(self.accelerator.reduce(flag, "sum")) > 0


def _accelerator(recipe: Train, options: Options) -> Accelerator:
    if recipe.precision == "fp16" and (options.device == "cpu" or not torch.cuda.is_available()):
        raise RunError("fp16 needs a GPU: use --set train.precision=bf16 or fp32 here")
    if options.device not in (None, "cpu", "cuda", "mps"):
        raise RunError(f"--device expects cpu, cuda or mps, got `{options.device}`")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise RunError("there is no CUDA device here: leave --device out, or use --device cpu")
    precision = "no" if recipe.precision == "fp32" else recipe.precision
    AcceleratorState._reset_state()  # an earlier training of this process may have had another precision
    try:
        accelerator = Accelerator(
            cpu=options.device == "cpu",
            mixed_precision=precision,
            log_with=options.log_with,
            project_dir=options.out,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
    except (ValueError, ImportError) as error:
        raise RunError(f"Accelerate cannot start: {error}") from None
    asked = int(os.environ.get("WORLD_SIZE", "1"))
    if asked != accelerator.num_processes:
        raise RunError(f"{asked} processes were asked for, but {accelerator.num_processes} take part")
    return accelerator


def _begin(folder: RunFolder, method: Method, options: Options, accelerator: Accelerator) -> dict[str, Any] | None:
    """Claim a new folder, or give the facts of the checkpoint to go on from."""
    latest = folder.latest_checkpoint() if options.resume else None
    if latest is not None:
        folder.require()
        saved = folder.method_file.read_text()
        if saved != method.text() and not options.allow_changed:
            raise RunError(
                f"the method differs from the one in `{folder.method_file}`: give the same overrides as before, "
                "or add --allow-changed"
            )
        facts = checkpoint.read_facts(latest)
        return {**facts, "path": str(latest)}
    if accelerator.is_main_process:
        if options.resume and folder.exists():
            folder.forget_metrics_from(-1)  # it never reached a checkpoint: start again in the same folder
        else:
            folder.begin(method.text())
    accelerator.wait_for_everyone()
    return None


def _resume(folder: RunFolder, facts: dict[str, Any], module: nn.Module, optimizers: Optimizers, steps: int) -> int:
    """Put the checkpoint back; the step to go on from."""
    done = int(facts["step"])
    if done >= steps:
        raise RunError(f"`{folder.path}` is finished ({done} steps): give more --epochs or --steps to go on")
    path = Path(facts["path"])
    checkpoint.load_module(path, module)
    checkpoint.load_optimizers(path, optimizers.all(), facts)
    if int(os.environ.get("RANK", "0")) == 0:
        folder.forget_metrics_from(done)
    return done


def _test_split(options: Options, recipe: Train) -> ImageSource | None:
    if options.eval_every == 0:
        return None
    try:
        return cached(open_data(options.data, "test", seed=recipe.seed), int(options.cache_gb * 2**30))
    except NoSplit:
        return None


def _workers(options: Options, accelerator: Accelerator) -> int:
    """Loader processes per rank: as asked, or the cores that training leaves."""
    if options.workers is not None:
        return options.workers
    cores = os.cpu_count() or 1
    if accelerator.device.type == "cpu":
        return 0
    return min(16, max(1, cores // max(1, accelerator.num_processes)))


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Seed of a step's dropout and drop-path: a function of the step, so that resuming needs no saved state."""
    return (seed * 1_000_003 + step * 1_009 + rank) % 2**31


def _start_trackers(accelerator: Accelerator, options: Options, graph: Graph) -> None:
    if options.log_with:
        accelerator.init_trackers(f"graphssl-{graph.name}", config={"data": options.data, "out": options.out})


@dataclass
class _Stop:
    wanted: bool = False


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Ctrl-C and SIGTERM ask the loop to stop after its step; a second Ctrl-C stops at once."""
    stop = _Stop()
    before = {}

    def ask(number: int, _: Any) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
