"""What protocols on frozen features share: the run, labelled images, and features computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch

from graphssl import __version__
from graphssl.data.errors import DataError
from graphssl.data.identity import identified
from graphssl.data.sources import ImageSource, open_data
from graphssl.data.subset import balanced, balanced_share
from graphssl.evaluate.features import digest, eval_view, extract, unmoved
from graphssl.evaluate.knn import knn_accuracy, require_neighbours
from graphssl.evaluate.run import load_features, place
from graphssl.evaluate.stored import Features, Stored
from graphssl.ir.dump import fingerprint
from graphssl.progress import progress
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder


class FrozenRun:
    """A run whose features are taken and never trained.

    features: `encoder` (the run's), `random` (the same before training), or `pixels`.
    cache: keep features in the run folder. Those of pixels are as large as the images and quickly made: they are not kept.

    Raises:
        RunError: no run, no checkpoint, or no `represent`.
    """

    def __init__(
        self,
        path: str,
        *,
        features: str = "encoder",
        device: str | None = None,
        workers: int = 0,
        plugins: Sequence[str] = (),
        cache: bool = True,
    ) -> None:
        method, self.module = load_features(path, random=features == "random", plugins=plugins)
        self.graph = method.checked_graph()
        names = {"random": f"{self.graph.represent} (random weights)", "pixels": "raw pixels"}
        self.kind, self.name = features, names.get(features, str(self.graph.represent))
        self.workers = workers
        if features == "pixels":
            self.module.represent = lambda images: images.flatten(1)  # type: ignore[assignment]
        self.device, self.precision, self.autocast = place(self.module, self.graph, device, half=features != "pixels")
        self.folder = RunFolder(path)
        self._stored = Stored(self.folder.path / "features") if cache and features != "pixels" else None

    def key(self, source: ImageSource, split: str) -> dict[str, Any]:
        """All that the features of these images depend on."""
        return {**self.settings, "data": identity(source), "split": split}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that features depend on, but for the images."""
        latest = self.folder.latest_checkpoint()
        size, steps = eval_view(self.graph)
        return {
            "features": self.name,
            "step": int(latest.name.removeprefix("step-")) if latest and self.kind == "encoder" else 0,
            "weights": self._weights,
            "graph": fingerprint(self.graph),
            "size": size,
            "steps": steps,
            "precision": self.precision,
            "device": self.device.type,
            "versions": [__version__, torch.__version__],
        }

    @cached_property
    def _weights(self) -> str:
        return digest(self.module)

    def of(self, source: ImageSource, split: str) -> Features:
        """Features of all images that can be decoded, and their labels. Raises DataError where there is none."""
        name = f"{self.kind} {split} {len(source)} {source.name}"
        compute = lambda: self._compute(source, split)  # noqa: E731
        rows, labels = self._stored.get(name, self.key(source, split), compute) if self._stored else compute()
        if not len(rows):
            raise DataError(f"none of the {len(source)} images of `{source.name}` can be decoded")
        return rows, labels

    def _compute(self, source: ImageSource, split: str) -> Features:
        with progress(f"{split} images", len(source)) as advance, unmoved(self.module):
            return self.extract(source, advance=advance)

    def extract(
        self, source: ImageSource, indices: list[int] | None = None, advance: Callable[[int], None] | None = None
    ) -> Features:
        """Features of these images, computed now."""
        return extract(
            self.module, self.graph, source, indices=indices, device=self.device, workers=self.workers,
            autocast=self.autocast, progress=advance,
        )  # fmt: skip

    def labelled(self, data: str, *, images: int | None = None) -> Labelled:
        """Features of training and test images of the same two or more classes. images: of training, so many, as many of each class.

        Raises:
            DataError: no labels, one class, classes of one split alone, no test images.
        """
        train, test = open_data(data, "train"), open_data(data, "test")
        require_classes(data, train, test)
        if images is not None:
            if images < len(train.classes):
                raise RunError(
                    f"--images {images} is fewer than the {len(train.classes)} classes: use one a class or more"
                )
            train = balanced_share(train, images / len(train), seed=0)
        about = {
            "features": self.name,
            "image_size": eval_view(self.graph)[0],
            "precision": self.precision,
        }
        return Labelled(train.classes, self.of(train, "train"), self.of(test, "test"), about)


class Labelled:
    """Frozen features of training and test images, with labels.

    Attributes:
        classes: their names.
        bank, bank_labels: of training images, (n d) and (n).
        queries, labels: of test images, (m d) and (m).
        about: what a result says of them.
    """

    def __init__(self, classes: tuple[str, ...], train: Features, test: Features, about: dict[str, Any]) -> None:
        self.classes = classes
        self.bank, self.bank_labels = train
        self.queries, self.labels = test
        self.about = {**about, "bank": len(self.bank), "queries": len(self.queries)}

    def held_out(self) -> Labelled:
        """A balanced tenth of the training images in place of the test images, to choose settings on; always the same."""
        kept = torch.tensor(balanced(self.bank_labels.tolist(), 0.9, seed=0))
        rest = torch.ones(len(self.bank), dtype=torch.bool).index_fill_(0, kept, False)
        if not rest.any():
            raise DataError(
                f"{len(self.bank)} training images are too few to hold a tenth of each class out: use ten a class or more"
            )
        train, test = ((self.bank[part], self.bank_labels[part]) for part in (kept, rest))
        return Labelled(self.classes, train, test, about={})


def require_classes(data: str, train: ImageSource, test: ImageSource) -> None:
    """Refuse images without labels, of one class, or of other classes in the test."""
    if len(train.classes) < 2:
        what = f"only one class, `{train.classes[0]}`" if train.classes else "no labels, or only one class"
        raise DataError(
            f"this needs labels of at least two classes, and `{data}` has {what}: use a subfolder per class"
        )
    if train.classes != test.classes:
        [odd, *_] = sorted(set(train.classes) ^ set(test.classes))
        where = "training" if odd in train.classes else "test"
        raise DataError(f"`{data}` has the class `{odd}` in its {where} images only: use the same subfolders in both")


def identity(source: ImageSource) -> str:
    """SHA-256 in hex of what tells a source from any other."""
    return str(identified(hashlib.sha256(), source).hexdigest())


def knn_of_run(
    path: str, data: str, *, k: int = 20, temperature: float = 0.07, images: int | None = None, **how: Any
) -> dict[str, Any]:
    """kNN accuracy on the test images, with the settings that it depends on. how: of `FrozenRun`.

    Raises:
        RunError, DataError: those of `FrozenRun`; a k that is no number of training images, a temperature that is not positive.
    """
    found = FrozenRun(path, **how).labelled(data, images=images)
    require_neighbours(k, temperature, len(found.bank))
    top1 = knn_accuracy(found.bank, found.bank_labels, found.queries, found.labels, k=k, temperature=temperature)
    return {"top1": top1, "k": k, "temperature": temperature, **found.about}
