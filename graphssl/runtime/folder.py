"""The run folder: method.yaml, metrics.jsonl, summary.json, checkpoints/."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from graphssl.runtime.errors import RunError, reason
from graphssl.runtime.lock import Held, Lock
from graphssl.wholefile import unfinished, write_atomically


class RunFolder:
    """One run on disk. Nothing in it is ever overwritten by another run."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.method_file = self.path / "method.yaml"
        self.metrics_file = self.path / "metrics.jsonl"
        self.summary_file = self.path / "summary.json"
        self.checkpoints = self.path / "checkpoints"
        self.lock_file = self.path / ".lock"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder, so that no second run can write into it.

        It is made where it does not exist, and taken away again when the run did not begin.
        """
        if self.path.is_file():
            raise RunError(f"`{self.path}` is a file: choose another --out")
        lock = Lock(self.lock_file)
        new = not self.path.exists()
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Held as held:
                what = f"`{self.path}` is in use by {held}"
                raise RunError(f"{what}: wait until that run ends, or choose another --out") from None
        try:
            yield
        finally:
            lock.release()
            if new and not self.exists():
                for path in (self.checkpoints, self.path):
                    with suppress(OSError):
                        path.rmdir()

    def clean(self) -> None:
        """Take away what a killed run was just writing."""
        with self._writing():
            for path in self._unfinished():
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _unfinished(self) -> list[Path]:
        files = (self.method_file, self.metrics_file, self.summary_file)
        found = [temporary for file in files if (temporary := unfinished(file)).exists()]
        return [*found, *self.checkpoints.glob(unfinished(Path("step-*")).name)]

    def require_empty(self) -> None:
        """Refuse a folder that holds anything. What a run leaves that was killed before it began is nothing."""
        if not self.path.is_dir():
            return
        nothing = {self.lock_file, self.checkpoints, unfinished(self.method_file)}
        if {*self.path.iterdir()} - nothing or (self.checkpoints.is_dir() and any(self.checkpoints.iterdir())):
            what = "holds a run" if self.method_file.exists() else "is not empty"
            raise RunError(f"`{self.path}` {what}: choose another --out, or continue it with --resume")

    def begin(self, method_text: str) -> None:
        """Write what makes a claimed folder a run."""
        with self._writing():
            self.checkpoints.mkdir(exist_ok=True)
            write_atomically(self.method_file, method_text)

    def change(self, method_text: str, step: int) -> None:
        """From now on the run is of another method; the one it had up to `step` stays beside it."""
        with self._writing():
            write_atomically(self.path / f"method-until-{step}.yaml", self.method_file.read_text())
            write_atomically(self.method_file, method_text)

    def exists(self) -> bool:
        return self.method_file.is_file()

    def require(self) -> None:
        """Refuse a folder that is no run."""
        if not self.exists():
            raise RunError(f"`{self.path}` is no run folder (it has no method.yaml)")

    def latest_checkpoint(self) -> Path | None:
        """The checkpoint of the highest step; folders still being written do not count."""
        found = checkpoints_in(self.checkpoints)
        return found[-1] if found else None

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        with self._writing(self.metrics_file), self.metrics_file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Every logged line; a line cut off by a crash is left out."""
        for line in self._lines():
            with suppress(ValueError):
                yield json.loads(line)

    def _lines(self) -> list[str]:
        return self.metrics_file.read_text().splitlines() if self.metrics_file.exists() else []

    def forget_metrics_from(self, step: int) -> None:
        """Drop the lines of steps after `step`, which a resumed run will log again."""
        kept = [line for line in self._lines() if (logged := _step(line)) is not None and logged <= step]
        with self._writing():
            write_atomically(self.metrics_file, "".join(f"{line}\n" for line in kept))

    def summary(self) -> dict[str, Any]:
        return json.loads(self.summary_file.read_text()) if self.summary_file.exists() else {}

    def summarize(self, **more: Any) -> None:
        """Add to summary.json."""
        with self._writing(self.summary_file):
            write_atomically(self.summary_file, json.dumps({**self.summary(), **more}, indent=2) + "\n")

    def record_evaluation(self, name: str, result: dict[str, Any]) -> None:
        """Keep what a protocol found, and at which step, under `evaluations` in summary.json; an older result of it goes."""
        latest = self.latest_checkpoint()
        step = int(latest.name.removeprefix("step-")) if latest else 0
        self.summarize(evaluations={**self.summary().get("evaluations", {}), name: {"step": step, **result}})

    @contextmanager
    def _writing(self, what: Path | None = None) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.unwritable(f"`{what or self.path}`", error) from None

    def unwritable(self, what: str, error: OSError) -> RunError:
        """Why something in the folder could not be written."""
        if isinstance(error, FileNotFoundError) and not self.path.exists():
            return RunError(f"the run folder `{self.path}` is gone: it was moved or deleted while the run went on")
        return RunError(f"cannot write {what}: {reason(error)}")


def checkpoints_in(folder: Path) -> list[Path]:
    """By their steps; those still being written do not count."""
    return sorted(folder.glob("step-*"), key=lambda path: (len(path.name), path.name))


def _step(line: str) -> int | None:
    """The step of a logged line; nothing where it was cut off."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
