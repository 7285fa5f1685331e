"""The steps of a run: forward, backward, state, and what is written on the way."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, set_seed
from torch import Tensor, nn

from graphssl import __version__
from graphssl.compiler.output import StepOutput
from graphssl.data.errors import DataError
from graphssl.data.loader import Batch
from graphssl.data.sampler import EpochSampler
from graphssl.data.sources import ImageSource
from graphssl.ir.graph import Graph
from graphssl.language.train import Train
from graphssl.ops.modules.chance import begin_part, chance_of_step
from graphssl.runtime import checkpoint
from graphssl.runtime.agreement import require_agreement
from graphssl.runtime.bad_images import BadImages
from graphssl.runtime.diagnosis import Diagnosis, noted
from graphssl.runtime.evaluation import Evaluation
from graphssl.runtime.exact import ExactAccumulation
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.interrupt import Stop, exit_code
from graphssl.runtime.measures import Measuring, Reading
from graphssl.runtime.memory import Memory, Scaler
from graphssl.runtime.nonfinite import Undo, gradient_is_finite, where_it_began
from graphssl.runtime.optim import Optimizers
from graphssl.runtime.options import Options
from graphssl.runtime.placement import Placement
from graphssl.runtime.regions import as_written
from graphssl.runtime.report import Report
from graphssl.runtime.sharding import apart, whole_moments, whole_state
from graphssl.runtime.skips import Skips
from graphssl.runtime.summary import summary


@dataclass
class Loop:
    """The steps of one run: what it needs, made ready by `train`."""

    graph: Graph
    recipe: Train
    options: Options
    accelerator: Accelerator
    folder: RunFolder
    module: nn.Module  # ours
    model: nn.Module  # the same, as Accelerate wraps it
    optimizers: Optimizers
    prepared: list[Any]  # its optimizers, as Accelerate wraps them
    source: ImageSource
    sampler: EpochSampler
    evaluation: Evaluation
    measuring: Measuring
    steps: int
    placement: Placement
    exact: ExactAccumulation | None = None  # where the recipe has micro-batches of one loss
    bad: BadImages = field(default_factory=BadImages)
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        self.skips = Skips(self.options.max_skipped)
        self.undo = Undo(self.module)
        self.losses = [node.name for node in self.graph.losses()]
        self.asked = 0  # the signal that asked the run to stop
        self.saved = 0  # the step of the newest checkpoint
        self.eval_steps = self._every(self.options.eval_every)
        self.save_steps = self._every(self.options.checkpoint_every)
        self.diagnosis = Diagnosis(self.graph, self.folder.metrics() if self.accelerator.is_main_process else ())

    def _every(self, epochs: float | None) -> int:
        """Steps between two events: every so many epochs, by default ten times in a run; 0 is never."""
        per_epoch = self.sampler.steps_per_epoch
        if epochs is None:
            epochs = max(1.0, self.steps / per_epoch / 10)
        return max(1, round(epochs * per_epoch)) if epochs > 0 else self.steps + 1

    def run(self, batches: Iterator[Batch], first: int, report: Report) -> int:
        """Train from step `first` to the end; what the command exits with: 0, or a signal's code when one stopped it."""
        self.saved = first
        if first == 0:
            self.evaluate(0, report)
        self.model.train()
        report.begin()
        begun, since = time.perf_counter(), first
        for step in range(first, self.steps):
            done = step + 1
            reading = self.measuring.reading(done)
            outputs, lr = self.advance(batches, step, report, reading)
            due = done % self.options.log_every == 0 or self.measuring.due(done)
            if due or done in (1, self.steps):
                now = time.perf_counter()
                rate = (done - since) * self.recipe.batch_size / max(now - begun, 1e-9)
                self.log(done, outputs, lr, rate, report, reading.nodes() if reading else {})
                begun, since = now, done
            if self.options.verify_every and done % self.options.verify_every == 0:
                self.verify(done)
            if done % self.eval_steps == 0 or done == self.steps:
                self.evaluate(done, report)
                begun, since = time.perf_counter(), done
            if done % self.save_steps == 0 or done == self.steps or self.asked:
                self.save(done)
            if self.asked and done < self.steps:
                name = signal.Signals(self.asked).name
                report.say(f"stopped by {name} after step {done}; continue with the same command and --resume")
                return exit_code(self.asked)
        self.finish(report)
        return 0

    def advance(
        self, batches: Iterator[Batch], step: int, report: Report, reading: Reading | None = None
    ) -> tuple[dict[str, Tensor], float]:
        """Take the batch of a step and do the step; its losses and monitors, and its learning rate."""
        batch = self.next(batches, step)
        for told in self.bad.note(batch.bad, len(self.source), self.options.max_bad):
            report.say(told)
        lr = self.optimizers.schedule(step)
        outputs = self.step(step, batch, reading)
        if news := self.skips.news():
            report.say(news)
        return outputs, lr

    def next(self, batches: Iterator[Batch], done: int) -> Batch:
        """The next batch. Where there is none, what was learned in `done` steps is saved first."""
        try:
            return next(batches)
        except DataError:
            if self.accelerator.num_processes == 1:  # saving takes all processes
                self.save(done)
            raise

    def step(self, step: int, batch: Batch, reading: Reading | None = None) -> dict[str, Tensor]:
        """One optimizer step; its losses and monitors. reading: measures its last micro-batch."""
        accelerator = self.accelerator
        chance = self.chance(step)
        if not self.skips.in_a_row:  # a skipped step left the weights as they were: its EMA has been done
            self.module.commit("before_forward", step)  # type: ignore[operator]
        self.undo.keep()
        for optimizer in self.prepared:
            optimizer.zero_grad(set_to_none=True)
        with chance:
            outputs = self.forward_and_backward(batch, step, reading)
        finite = torch.stack([outputs[name] for name in ("loss", *self.losses)]).isfinite().all().float()
        if accelerator.scaler is None:  # of fp16 the scaler looks at the gradient, and finds its scale by that
            finite = finite * gradient_is_finite(self.module)
        good = self.agreed(finite)
        if good:
            accelerator.unscale_gradients()
            if reading:
                reading.gradients()
            self.optimizers.drop_frozen(step)
            self.optimizers.clip()
            for optimizer in self.prepared:
                optimizer.step()
        if good and not accelerator.optimizer_step_was_skipped:
            self.measuring.note_writes(step + 1)
            self.module.commit("after_step", step)  # type: ignore[operator]
            self.skips.good()
        else:
            self.skip(step, batch, "the gradient overflows in fp16" if good else None)
        if reading:
            reading.state()
        return outputs

    def skip(self, step: int, batch: Batch, why: str | None) -> None:
        """Take a step back that changed no weight; of the first in a row, say why or find out where it began."""
        self.take_back()
        if why is None and not self.skips.in_a_row:
            with self.chance(step), apart(self.accelerator, self.model), self.accelerator.autocast():
                found = where_it_began(self.graph, self.module, self.micro_batches(batch), step)
            why = next((each for each in gather_object([found]) if each), "it is finite when run again")
            self.take_back()
        self.skips.note(step, why or "")

    def chance(self, step: int) -> AbstractContextManager[None]:
        """The random numbers of a step from their start: each rank's own now, those of all ranks' samples within."""
        set_seed(_step_seed(self.recipe.seed, step, self.accelerator.process_index))
        return chance_of_step(_step_seed(self.recipe.seed, step))

    def take_back(self) -> None:
        """The module as it was before the step's forward."""
        self.module.discard()  # type: ignore[operator]
        self.undo.undo()

    def forward_and_backward(self, batch: Batch, step: int, reading: Reading | None) -> dict[str, Tensor]:
        """Gradients of the batch; its losses and monitors, the mean over micro-batches that have a loss of their own."""
        parts, outputs = self.micro_batches(batch), dict[str, Tensor]()
        if self.exact:
            return _scalars(reading.forward(self.exact, parts, step) if reading else self.exact(parts, step))
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                out = reading.forward(self.model, part(), step) if reading and last else self.model(part(), step)
                self.accelerator.backward(out.loss / len(parts))
            for name, value in _scalars(out).items():
                outputs[name] = outputs.get(name, 0.0) + value / len(parts)
        return outputs

    def micro_batches(self, batch: Batch) -> list[Callable[[], dict[str, Any]]]:
        """The rank's batch split into micro-batches, each put on the device when called, by source-node name."""
        device, rows = self.accelerator.device, len(batch.indices)
        size = self.recipe.micro_batch or rows // self.recipe.accumulate

        def move(x: Tensor, i: int) -> Tensor:
            part = x[i * size : (i + 1) * size].to(device, non_blocking=True)
            return part.contiguous(memory_format=torch.channels_last) if part.dim() == 4 else part

        def views(i: int) -> dict[str, Any]:
            begin_part(i, rows // size, size)
            return {
                name: [move(v, i) for v in view] if isinstance(view, list) else move(view, i)
                for name, view in batch.views.items()
            }

        return [partial(views, i) for i in range(rows // size)]

    def log(
        self,
        done: int,
        outputs: dict[str, Tensor],
        lr: float,
        rate: float,
        report: Report,
        nodes: dict[str, dict[str, float]],
    ) -> None:
        """One line of metrics: the mean over ranks, and what the main process measured of the nodes."""
        names = list(outputs)
        stacked = torch.stack([outputs[name].float() for name in names])
        if self.accelerator.num_processes > 1:
            stacked = self.accelerator.reduce(stacked, "mean")
        values = dict(zip(names, (round(v, 6) for v in stacked.tolist()), strict=True))
        epoch = done / self.sampler.steps_per_epoch
        self.accelerator.log({**values, "lr": lr}, step=done)
        if self.accelerator.is_main_process:
            record = {"step": done, "epoch": round(epoch, 4), **values, "lr": lr}
            if len(set(self.recipe.weight_decay.values())) > 1:
                record["weight_decay"] = self.optimizers.weight_decay(done - 1)
            record |= {"images_per_s": round(rate, 1)}
            record |= {"skipped": self.skips.total} if self.skips.total else {}
            record |= {"nodes": nodes} if nodes else {}
            findings = self.diagnosis.hear(record)
            self.folder.log({**record, **({"diagnosis": [noted(finding) for finding in findings]} if findings else {})})
            for finding in findings:
                report.say(finding.to_text())
        shown = {name: value for name, value in values.items() if name in self.losses}
        monitors = {name: values[name] for name, _ in self.graph.monitors}
        report.step(done, {**shown, **monitors}, rate)

    def evaluate(self, done: int, report: Report) -> None:
        """kNN on the test split so far, where there is one."""
        if self.options.eval_every == 0 or not self.evaluation.possible:
            return
        with as_written(self.options.compile):
            top1 = self.evaluation.knn()
        report.knn = top1
        self.accelerator.log({"knn": top1}, step=done)
        if self.accelerator.is_main_process:
            self.folder.log({"step": done, "epoch": round(done / self.sampler.steps_per_epoch, 4), "knn": top1})
        where = "random encoder" if done == 0 else f"step {done}"
        report.say(f"{where}: kNN {top1:.1%} ({self.evaluation.settings})")

    def verify(self, done: int) -> None:
        """Make sure that all processes hold the same numbers."""
        require_agreement(self.module, self.optimizers.all(), done, sync_bn=self.recipe.sync_bn)

    def save(self, done: int) -> None:
        """Write a checkpoint after `done` steps, unless there is one; all processes hold what it says."""
        if done == self.saved:
            return
        self.verify(done)
        self.accelerator.wait_for_everyone()
        main = self.accelerator.is_main_process
        tensors = whole_state(self.module, keep=main)
        moments = [whole_moments(optimizer, keep=main) for optimizer in self.optimizers.all()]
        if main:
            facts = {
                "augment": self.placement.where,
                "data": self.options.data,
                "graphssl": __version__,
                "memory": {name: part.facts() for name, part in self.memory.items()},
                "samples": len(self.source),
                "total_steps": self.steps,
            }
            keep = self.options.keep_checkpoints
            try:
                checkpoint.save(self.folder.checkpoints, done, tensors, moments, facts, keep=keep)
            except OSError as error:
                raise self.folder.unwritable(
                    f"the checkpoint of step {done} in `{self.folder.checkpoints}`", error
                ) from None
        self.saved = done
        self.accelerator.wait_for_everyone()

    def finish(self, report: Report) -> None:
        """Sum the run up."""
        if self.accelerator.is_main_process:
            settings = self.evaluation.settings if self.evaluation.possible else None
            epochs = self.steps / self.sampler.steps_per_epoch
            self.folder.summarize(
                method=self.graph.name,
                data=self.options.data,
                processes=self.accelerator.num_processes,
                device=self.accelerator.device.type,
                **summary(self.folder.metrics(), self.steps, epochs, settings),
                skipped_steps=self.skips.total,
                bad_images=self.bad.reasons,
            )
            report.say(f"done: {self.folder.path} (summary.json, metrics.jsonl, checkpoints/)")

    @property
    def memory(self) -> dict[str, Memory]:
        """What the run remembers from step to step besides tensors, by the name it has in checkpoints."""
        parts: dict[str, Memory] = {
            "bad_images": self.bad,
            "queue_writes": self.measuring.writes,
            "skips": self.skips,
        }
        if self.accelerator.scaler is not None:
            parts["scaler"] = Scaler(self.accelerator.scaler)
        return parts

    def agreed(self, finite: Tensor) -> bool:
        """Whether the step is finite on every rank; `asked` is the signal that any of them was sent. One collective."""
        told = torch.stack([finite, torch.full_like(finite, self.stop.signal)])[None]
        if self.accelerator.num_processes > 1:
            told = self.accelerator.gather(told)  # ranks 2
        rows = told.tolist()
        self.asked = int(max(row[1] for row in rows))
        return all(row[0] == 1 for row in rows)


def _scalars(out: StepOutput) -> dict[str, Tensor]:
    """The total, the losses and the monitors, detached."""
    return {name: value.detach() for name, value in {"loss": out.loss, **out.losses, **out.monitors}.items()}


def _step_seed(seed: int, step: int, rank: int = -1) -> int:
    """Seed of a step's dropout, each rank's own, or drop path, all ranks': a function of the step, so that nothing has to be saved."""
    return (seed * 1_000_003 + step * 1_009 + rank) % 2**31
