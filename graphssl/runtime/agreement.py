"""Whether all processes hold the same numbers: parameters, registers, running statistics and the optimizer's moments.

They do by construction: gradients are averaged, registers take the rows of all ranks in one order. This makes sure of it. Before a
run begins, too, whether all have found the same images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
import torch.distributed as dist
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.data.sources import ImageSource
from graphssl.ops.modules.batch_norm import Grouped
from graphssl.ops.modules.distributed import world
from graphssl.runtime.errors import RunError


def require_agreement(
    module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], done: int, *, sync_bn: bool
) -> None:
    """Raise RunError, on every rank, when a tensor that all ranks share is not the same to the bit on all of them.

    done: optimizer steps so far. sync_bn: whether running statistics are shared (`train.sync_bn`). Costs one pass over the
    tensors and 8 bytes of traffic for each.
    """
    if world()[1] == 1:
        return
    shared = dict(_shared(module, optimizers, sync_bn))
    mine = torch.stack([fingerprint(tensor) for tensor in shared.values()])
    everyone = [torch.empty_like(mine) for _ in range(world()[1])]
    dist.all_gather(everyone, mine)
    for name, prints in zip(shared, torch.stack(everyone, dim=1).tolist(), strict=True):
        usual = Counter(prints).most_common(1)[0][0]
        odd = [rank for rank, found in enumerate(prints) if found != usual]
        if odd:
            node = name.partition(".")[0]
            ranks = f"rank {odd[0]}" if len(odd) == 1 else f"ranks {', '.join(map(str, odd))}"
            raise RunError(
                f"after step {done}, `{name}` (node `{node}`) is not the same on all {len(prints)} processes: {ranks} "
                f"{'differs' if len(odd) == 1 else 'differ'} from the others; nothing was written: go on from the last checkpoint "
                "with --resume, and look for what reaches one process only (a faulty device, an op that draws random numbers)"
            )


def require_same_images(source: ImageSource) -> None:
    """Raise RunError, on every rank, where processes have not found the same images, by number, shards and classes.

    Each has opened the data itself, perhaps on another machine, where a file or shard may be missing.
    """
    if world()[1] == 1:
        return
    everyone = gather_object([(len(source), tuple(getattr(source, "shard_sizes", ())), source.classes)])
    odd = next((rank for rank, found in enumerate(everyone) if found != everyone[0]), None)
    if odd is not None:
        (first, *_), (other, *_) = everyone[0], everyone[odd]
        counts = f"{first} and {other} images" if first != other else f"{first} images each, but not of the same shards"
        raise RunError(
            f"processes 0 and {odd} do not find the same in `{source.name}`: {counts}; is the data whole on every machine?"
        )


def fingerprint(x: Tensor) -> Tensor:
    """64 bits of the bytes of x, an int64 scalar on its device; any change of a single word changes them.

    Σ_i (2i + 1) w_i modulo 2⁶⁴ over the words w of 8 bytes: integers, so that no order of summation matters.
    """
    octets = x.detach().contiguous().flatten().view(torch.uint8)
    octets = nn.functional.pad(octets, (0, -len(octets) % 8))
    words = octets.view(torch.int64)
    weights = 2 * torch.arange(len(words), device=x.device) + 1
    return (words * weights).sum()


def _shared(
    module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], sync_bn: bool
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that is the same on all ranks, by the name it has in the module."""
    own: set[str] = set()
    for prefix, layer in module.named_modules():
        if isinstance(layer, _BatchNorm) and not sync_bn and not isinstance(layer, Grouped):
            own |= {f"{prefix}.{name}" for name, _ in layer.named_buffers(recurse=False)}
    for name, tensor in module.state_dict().items():
        if name not in own and not isinstance(tensor, DTensor):  # of split ones each has another part
            yield name, tensor
    names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    for optimizer in optimizers:
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                if isinstance(value, Tensor) and not isinstance(value, DTensor):
                    yield f"{names[parameter]}, {key} of the optimizer", value
