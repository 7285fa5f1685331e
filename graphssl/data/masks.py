"""Which patches of a view are hidden: random numbers as in `graphssl.data.philox`, all masks of a view at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data.philox import Draws, key_of, spread, uniforms
from graphssl.data.samples import Samples

TRIES = 10  # for each block, before a mask is left as it is
RUN = 8  # neighbours in the batch whose stratified masks are balanced among them
FLATTEST = 0.3  # smallest ratio of a block's sides


@dataclass(frozen=True)
class MaskPlan:
    """How many patches are hidden, and whose.

    Attributes:
        node: the source node; with the seed it decides the random numbers.
        grids: patches along height and width, of each view.
        listed: gives a list, one entry per view; if not, the mask of the one view.
        ratio: least and greatest share of the patches that is asked for.
        share: of the masks that hide anything: a chance for each, or, if `stratified`, a count in each step.
        stratified: ratios are drawn one from each of as many equal stretches of `ratio` as there are such masks.
        start: step before which nothing is hidden.
    """

    node: str
    grids: tuple[tuple[int, int], ...]
    listed: bool
    ratio: tuple[float, float]
    share: float = 1.0
    stratified: bool = False
    start: int = 0


class Masks:
    """Makes the masks of one source node: bool [b n], true where hidden, or a list of those."""

    def __init__(self, plan: MaskPlan, *, seed: int) -> None:
        self.plan, self.seed = plan, seed

    def hidden(self, grid: tuple[int, int], asked: NDArray[np.float64], draws: Draws) -> NDArray[np.bool_]:
        """(b h w), true at about `asked[i]` patches of row i; blocks 1, 2, … of `draws` are free to use."""
        raise NotImplementedError

    def __call__(self, samples: Samples) -> Tensor | list[Tensor]:
        masks = [self._view(samples, view, grid) for view, grid in enumerate(self.plan.grids)]
        return masks if self.plan.listed else masks[0]

    def _view(self, samples: Samples, view: int, grid: tuple[int, int]) -> Tensor:
        if samples.step < self.plan.start:
            return torch.zeros(len(samples), math.prod(grid), dtype=torch.bool)
        ratio, draws = (self._stratified if self.plan.stratified else self._independent)(samples, view)
        asked = ratio * math.prod(grid)
        if self.plan.stratified:
            asked = np.floor(asked)
        return torch.from_numpy(self.hidden(grid, asked, draws).reshape(len(samples), -1))

    def _independent(self, samples: Samples, view: int) -> tuple[NDArray[np.float64], Draws]:
        """The ratio of each mask, a function of (seed, epoch, sample, view)."""
        plan = self.plan
        draws = Draws(key_of("mask", self.seed, plan.node, view), samples.indices, samples.epoch)
        coin, place, *_ = draws.uniforms(0).T
        ratio = plan.ratio[0] + (plan.ratio[1] - plan.ratio[0]) * place
        return np.where(coin < plan.share, ratio, 0.0), draws

    def _stratified(self, samples: Samples, view: int) -> tuple[NDArray[np.float64], Draws]:
        """The same for the rows of this rank, a function of (seed, step) and their place in the global batch.

        Each run of 8 neighbours in the batch, with all its views, gets its share of all ratios, and so does any 2^k-fold of
        it: ranks and micro-batches. Within a run it is chance.
        """
        plan = self.plan
        names = self.seed, plan.node
        crops = len(plan.grids) * samples.total
        mine = view * samples.total + samples.first + np.arange(len(samples))
        run = np.tile(np.arange(samples.total) // RUN, len(plan.grids))
        chance = uniforms(key_of("mask chance", *names), (samples.step, 0), crops)
        index = np.argsort(np.lexsort((chance, run)))[mine]
        place = spread(key_of("mask order", *names), samples.step, crops)[index]
        draws = Draws(key_of("mask", *names), mine, samples.step)
        chosen = int(plan.share * crops)
        edges = np.linspace(*plan.ratio, chosen + 1)
        low = np.minimum(place, max(chosen - 1, 0))
        high = np.minimum(low + 1, chosen)
        ratio = edges[low] + (edges[high] - edges[low]) * draws.uniforms(0)[:, 0]
        return np.where(place < chosen, ratio, 0.0), draws


class RandomMasks(Masks):
    """Patches hidden one by one: exactly as many as asked for, rounded down."""

    def hidden(self, grid: tuple[int, int], asked: NDArray[np.float64], draws: Draws) -> NDArray[np.bool_]:
        n = math.prod(grid)
        keys = draws.uniforms(1 + np.arange(-(-n // 4))).reshape(len(asked), -1)[:, :n]
        order = np.argsort(keys, axis=1, kind="stable")
        mask = np.zeros(keys.shape, dtype=bool)
        np.put_along_axis(mask, order, np.arange(n) < np.floor(asked)[:, None], axis=1)
        return mask.reshape(-1, *grid)


class BlockMasks(Masks):
    """Rectangles laid until a mask hides what was asked for, or a rectangle found no place."""

    def __init__(self, plan: MaskPlan, *, seed: int, least: int | None, most: float) -> None:
        """least: patches that the draw of a rectangle's area begins with; None: (side of the grid // 3)².
        most: largest share of the grid that one rectangle adds.
        """
        super().__init__(plan, seed=seed)
        self.least, self.most = least, most

    def hidden(self, grid: tuple[int, int], asked: NDArray[np.float64], draws: Draws) -> NDArray[np.bool_]:
        masks = np.zeros((len(asked), *grid), dtype=bool)
        least = (min(grid) // 3) ** 2 if self.least is None else self.least
        left = asked.copy()
        tries = np.zeros(len(asked), dtype=np.int64)
        active, turn = np.flatnonzero(left > 0), 0
        while len(active):  # one try for every mask that is not done
            turn += 1
            limit = np.minimum(left[active], self.most * math.prod(grid))
            blocks, fits = rectangles(grid, least, limit, draws.uniforms(turn, active))
            new = blocks & ~masks[active]
            gain = np.count_nonzero(new, axis=(1, 2))
            good = fits & (gain > 0) & (gain <= limit)
            laid = active[good]
            masks[laid] |= new[good]
            left[laid] -= gain[good]
            tries[active] += 1
            tries[laid] = 0
            active = active[(left[active] > 0) & (tries[active] < TRIES)]
        return masks


def rectangles(
    grid: tuple[int, int], least: float, limit: NDArray[np.float64], uniforms: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A rectangle for each row of `uniforms` (b 4), as (b h w), and whether its sides are shorter than the grid's.

    area ~ U(least, limit), log(height / width) ~ U(log 0.3, -log 0.3), sides rounded, its place uniform.
    """
    area = least + (limit - least) * uniforms[:, 0]
    aspect = np.exp(math.log(FLATTEST) * (1 - 2 * uniforms[:, 1]))
    sides = np.rint(np.sqrt([area * aspect, area / aspect]))
    fits: Any = (sides[0] < grid[0]) & (sides[1] < grid[1])
    inside = []
    for side, length, u in zip(sides, grid, (uniforms[:, 2], uniforms[:, 3]), strict=True):
        begin = np.floor(u * (length - side + 1))[:, None]
        inside.append((np.arange(length) >= begin) & (np.arange(length) < begin + side[:, None]))
    return inside[0][:, :, None] & inside[1][:, None, :], fits
