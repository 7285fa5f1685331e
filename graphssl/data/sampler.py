"""Which images make up the batch of a step: a pure function of the seed and the step."""

from __future__ import annotations

from graphssl.data.errors import DataError
from graphssl.data.philox import key_of, permutation


class EpochSampler:
    """Indices of the images of every step, for one rank.

    Each epoch is a fresh permutation of the data set, cut into global batches; the remainder that does not fill one
    is left out of that epoch. Rank r takes the r-th contiguous chunk of a global batch, so P ranks with batch B see
    the batches that one rank with batch P*B would see, and training can start again at any step.

    Args:
        length: number of images.
        batch_size_per_rank: images a rank sees in a step.
        rank, world_size: this process and how many there are.
        seed: chooses the permutations.

    Raises:
        DataError: the data set is smaller than one global batch.
    """

    def __init__(
        self, length: int, batch_size_per_rank: int, *, rank: int = 0, world_size: int = 1, seed: int = 0
    ) -> None:
        self.length = length
        self.batch_size_per_rank = batch_size_per_rank
        self.rank = rank
        self.global_batch_size = batch_size_per_rank * world_size
        self.steps_per_epoch = length // self.global_batch_size
        self._key = key_of("order", seed)
        self._epoch = -1
        if self.steps_per_epoch == 0:
            raise DataError(
                f"the data has {length} images but one global batch needs {self.global_batch_size}; "
                f"use a batch size of at most {length} (`--set train.batch_size={_round_down(length)}`) or more images"
            )

    def epoch(self, step: int) -> int:
        """The epoch, counted from 0, that a global step (counted from 0) belongs to."""
        return step // self.steps_per_epoch

    def batch(self, step: int) -> list[int]:
        """Indices of this rank's images at a global step, counted from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order, self._epoch = permutation(self._key, epoch, self.length), epoch
        start = position * self.global_batch_size + self.rank * self.batch_size_per_rank
        return [int(index) for index in self._order[start : start + self.batch_size_per_rank]]


def _round_down(length: int) -> int:
    """The largest power of two that is at most `length` (at least 1)."""
    return 1 << max(length.bit_length() - 1, 0)
