"""A pool of images in which it is known what is what: copies of five kinds, images of a benchmark, images like curated ones.

Everything is drawn by one seed. A name in the pool is a random number, so that neither the name nor the order says what an image is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

Random = np.random.Generator
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Size:
    """How many small images there are; of photos there are as many as they last for.

    pool: images of the other classes. neighbours: images of the curated classes in the pool. queries, benchmark: of the curated set and
    the benchmark. copies, benchmark_copies: of each kind.
    """

    pool: int = 8000
    neighbours: int = 800
    queries: int = 200
    benchmark: int = 500
    copies: int = 100
    benchmark_copies: int = 20


@dataclass
class Truth:
    """By name of a file of the pool what it is: `small` or `photo`, of copies with their kind.

    copies: copies of images of the pool. groups: of each of them and of its original, the number of what is one picture. benchmark: copies of
    images of the benchmark. wanted: images like curated ones.
    """

    copies: dict[str, str] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    benchmark: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)


def resized(image: Image.Image, random: Random) -> Image.Image:
    """70 % of each side."""
    return image.resize((max(1, image.width * 7 // 10), max(1, image.height * 7 // 10)), Image.Resampling.BICUBIC)


def recompressed(image: Image.Image, random: Random) -> Image.Image:
    """JPEG of quality 50."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return Image.open(buffer).convert("RGB")


def cropped(image: Image.Image, random: Random) -> Image.Image:
    """85 % of each side, anywhere."""
    width, height = image.width * 85 // 100, image.height * 85 // 100
    left, top = (int(random.integers(0, rest + 1)) for rest in (image.width - width, image.height - height))
    return image.crop((left, top, left + width, top + height))


def coloured(image: Image.Image, random: Random) -> Image.Image:
    """Brightness, contrast and saturation changed by up to 30 %."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(float(random.uniform(0.7, 1.3)))
    return image


def exact(image: Image.Image, random: Random) -> Image.Image:
    """The same pixels in another file."""
    return image


KINDS: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    each.__name__: each for each in (exact, resized, recompressed, cropped, coloured)
}


class Pool:
    """A folder of images with random names."""

    def __init__(self, folder: Path, random: Random) -> None:
        folder.mkdir(parents=True)
        self._folder, self._numbers = folder, iter(random.permutation(10**6).tolist())

    def add(self, image: Image.Image) -> str:
        """Its name."""
        name = f"{next(self._numbers):06d}.png"
        image.save(self._folder / name, compress_level=1)
        return name


def plant(small: Path, photos: Path | None, out: Path, size: Size, seed: int = 0) -> Truth:
    """Write out/pool, out/curated and out/benchmark.

    small: train/CLASS/ and test/CLASS/ of images, of which the last two classes are the curated ones. photos: larger images in one folder.
    """
    random, truth = np.random.default_rng(seed), Truth()
    pool, curated, benchmark = (Pool(out / name, random) for name in ("pool", "curated", "benchmark"))
    *others, first, second = sorted(folder.name for folder in (small / "train").iterdir())
    originals = _drawn(small / "train", others, size.pool, random)
    for image in _opened(_drawn(small / "train", [first, second], size.neighbours, random)):
        truth.wanted[pool.add(image)] = "small"
    for image in _opened(_drawn(small / "test", [first, second], size.queries, random)):
        curated.add(image)
    held = _drawn(small / "test", others, size.benchmark, random)
    for image in _opened(held):
        benchmark.add(image)
    _copies(pool, truth, originals, size.copies, "small", random)
    _touching(pool, truth, held, size.benchmark_copies, "small", random)
    if photos:
        files = sorted(path for path in photos.iterdir() if path.suffix in SUFFIXES)
        _photos(files, (pool, curated, benchmark), truth, random)
    return truth


def _photos(files: Sequence[Path], pools: tuple[Pool, Pool, Pool], truth: Truth, random: Random) -> None:
    """Photos in three parts: originals of copies, images of the benchmark, and pairs of crops, one curated and one in the pool."""
    pool, curated, benchmark = pools
    files = [files[i] for i in random.permutation(len(files))]
    third = len(files) // 3
    originals, held, pairs = files[:third], files[third : 2 * third], files[2 * third :]
    _copies(pool, truth, originals, len(originals) // len(KINDS), "photo", random)
    for image in _opened(held):
        benchmark.add(image)
    _touching(pool, truth, held, len(held) // len(KINDS), "photo", random)
    for image in _opened(pairs):
        wide, high = image.width * 7 // 10, image.height * 7 // 10
        curated.add(image.crop((0, 0, wide, high)))
        truth.wanted[pool.add(image.crop((image.width - wide, image.height - high, image.width, image.height)))] = (
            "photo"
        )


def _copies(pool: Pool, truth: Truth, originals: Sequence[Path], each: int, what: str, random: Random) -> None:
    """The originals, and a copy of each kind of as many of them."""
    kinds = [kind for kind in KINDS for _ in range(each)]
    for number, image in enumerate(_opened(originals)):
        name = pool.add(image)
        if number < len(kinds):
            copy = pool.add(KINDS[kinds[number]](image, random))
            truth.groups[name] = truth.groups[copy] = len(truth.copies)
            truth.copies[copy] = f"{what} {kinds[number]}"


def _touching(pool: Pool, truth: Truth, held: Sequence[Path], each: int, what: str, random: Random) -> None:
    """A copy of each kind of as many images of the benchmark."""
    kinds = [kind for kind in KINDS for _ in range(each)]
    for kind, image in zip(kinds, _opened(held), strict=False):
        truth.benchmark[pool.add(KINDS[kind](image, random))] = f"{what} {kind}"


def _drawn(folder: Path, classes: Sequence[str], count: int, random: Random) -> list[Path]:
    """So many images of these classes, of each as many, in a random order."""
    each = count // len(classes)
    found = [path for name in classes for path in random.permutation(sorted((folder / name).iterdir()))[:each]]
    return [found[i] for i in random.permutation(len(found))]


def _opened(files: Iterable[Path]) -> Iterator[Image.Image]:
    for file in files:
        with Image.open(file) as image:
            yield image.convert("RGB")
