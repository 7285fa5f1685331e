"""What a curation leaves on disk: curation.yaml, a folder for each stage, manifest.parquet, summary.json, report.html."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphssl.curate.sets import ImageSet, nothing
from graphssl.curate.stage import Result
from graphssl.runtime.errors import RunError
from graphssl.runtime.lock import held
from graphssl.wholefile import write_atomically


def digest(facts: Any) -> str:
    """A short name for facts that are plain data."""
    return blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=8).hexdigest()


class CurationFolder:
    """The folder of one curation. Only one process at a time holds it, and what is not a curation's is left alone."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = self.path / "curation.yaml"
        self.manifest = self.path / "manifest.parquet"
        self.summary = self.path / "summary.json"
        self.report = self.path / "report.html"

    def stage(self, name: str) -> StageFolder:
        return StageFolder(self.path / "stages" / name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others out. Raises RunError when somebody holds it, or something else is there."""
        if self.path.exists() and not self.file.exists() and (not self.path.is_dir() or self._others()):
            raise RunError(f"`{self.path}` is there already, and is no curation: choose another -o")
        self.path.mkdir(parents=True, exist_ok=True)
        with held(self.path / ".lock", f"`{self.path}` is in use by"):
            yield

    def _others(self) -> list[Path]:
        """What is there that a curation which was just beginning would not have left."""
        return [path for path in self.path.iterdir() if path.name != ".lock" and path.suffix != ".part"]

    def lists(self, images: int) -> bool:
        """Whether the manifest is there, whole, with so many images."""
        try:
            return int(pq.read_metadata(self.manifest).num_rows) == images
        except (OSError, pa.ArrowException):
            return False

    def put_aside(self) -> None:
        """The manifest is no longer what the stages say: it stays under another name."""
        with suppress(FileNotFoundError):
            self.manifest.replace(self.path / "manifest-before.parquet")


class StageFolder:
    """What one stage wrote. It is done when `done.json` is there, which says of what it is the result."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = path / "done.json"
        self._used: set[Path] = set()

    def record(self) -> dict[str, Any] | None:
        """What `finish` wrote; None where the stage is not done."""
        try:
            found = json.loads(self.done.read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def scratch(self, name: str, *facts: Any) -> Path:
        """A folder for intermediate results that depend on these facts alone: what is there from before counts."""
        folder = self.path / f"{name}-{digest(facts)}"
        self._used.add(folder)
        return folder

    def finish(self, key: Mapping[str, Any], result: Result, seconds: float) -> dict[str, Any]:
        """Write the result; intermediate ones that it did not need are taken away."""
        self.path.mkdir(parents=True, exist_ok=True)
        result.kept.write(self.path / "kept.parquet")
        result.dropped.write(self.path / "dropped.parquet")
        (result.spared or nothing()).write(self.path / "spared.parquet")
        record = {
            "key": key,
            "kept": len(result.kept),
            "dropped": len(result.dropped),
            "words": result.words,
            "facts": dict(result.facts),
            "seconds": round(seconds, 3),
        }
        write_atomically(self.done, json.dumps(record, indent=2) + "\n")
        for folder in self.path.iterdir():
            if folder.is_dir() and folder not in self._used:
                shutil.rmtree(folder)
        return record

    def kept(self) -> ImageSet:
        return ImageSet.read(self.path / "kept.parquet")

    def dropped(self) -> ImageSet:
        return ImageSet.read(self.path / "dropped.parquet")

    def spared(self) -> ImageSet:
        """Images that a threshold let pass, with what each is most like; none where the stage has none."""
        return ImageSet.read(self.path / "spared.parquet")
