"""The run folder: method.yaml, metrics.jsonl, summary.json, checkpoints/."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphssl.runtime.errors import RunError


class RunFolder:
    """One run on disk. Nothing in it is ever overwritten by another run."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.method_file = self.path / "method.yaml"
        self.metrics_file = self.path / "metrics.jsonl"
        self.summary_file = self.path / "summary.json"
        self.checkpoints = self.path / "checkpoints"

    def begin(self, method_text: str) -> None:
        """Claim the folder for a new run; refuses one that holds anything."""
        if self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir())):
            what = "holds a run" if self.method_file.exists() else "is not empty"
            raise RunError(f"`{self.path}` {what}: choose another --out, or continue it with --resume")
        try:
            self.checkpoints.mkdir(parents=True)
            write_atomically(self.method_file, method_text)
        except OSError as error:
            raise RunError(f"cannot write to `{self.path}`: {(error.strerror or str(error)).lower()}") from None

    def exists(self) -> bool:
        return self.method_file.is_file()

    def require(self) -> None:
        """Refuse a folder that is no run."""
        if not self.exists():
            raise RunError(f"`{self.path}` is no run folder (it has no method.yaml)")

    def latest_checkpoint(self) -> Path | None:
        """The checkpoint of the highest step; folders still being written do not count."""
        found = sorted(self.checkpoints.glob("step-*")) if self.checkpoints.is_dir() else []
        return found[-1] if found else None

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        with self.metrics_file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Every logged line; a line cut off by a crash is left out."""
        if not self.metrics_file.exists():
            return
        for line in self.metrics_file.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue

    def forget_metrics_from(self, step: int) -> None:
        """Drop the lines of steps that a resumed run will log again."""
        kept = [record for record in self.metrics() if record["step"] <= step]
        write_atomically(self.metrics_file, "".join(json.dumps(record) + "\n" for record in kept))

    def summary(self) -> dict[str, Any]:
        return json.loads(self.summary_file.read_text()) if self.summary_file.exists() else {}

    def summarize(self, **more: Any) -> None:
        """Add to summary.json."""
        write_atomically(self.summary_file, json.dumps({**self.summary(), **more}, indent=2) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
