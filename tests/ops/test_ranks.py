"""Two real processes, each with half of the batch (or an uneven part), equal one with all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import torch, torch.distributed as dist
from torch import nn
from graphssl.ops.assignment import sinkhorn
from graphssl.ops.contrastive import info_nce
from graphssl.ops.koleo import koleo_loss
from graphssl.ops.modules.batch_norm import grouped_batch_norm, shuffled, synchronise_batch_norm
from graphssl.ops.modules.center import Center
from graphssl.ops.modules.chance import begin_part, chance_of_step
from graphssl.ops.modules.distributed import gather
from graphssl.ops.modules.encoder import DropPath
from graphssl.ops.modules.mlp import BatchNorm
from graphssl.ops.modules.probe import LinearProbe
from graphssl.ops.modules.queue import Queue
from graphssl.ops.modules.vit import DropExactly
from graphssl.ops.supervised import accuracy, cross_entropy
from timm.layers import BatchNormAct2d

def centred(rows, micro):
    center = Center(5, momentum=0.7).double()
    for step in range(3):
        for part in (rows * (step + 1)).split(micro):
            center.stage(part)
        center.commit()
    return center.center

def value_and_gradient(loss, rows):
    rows = rows.clone().requires_grad_()
    value = loss(rows)
    value.backward()
    return value.detach(), rows.grad

def keys(rows):
    norm = grouped_batch_norm(nn.BatchNorm1d(5).double(), rows=2)
    out = torch.stack([shuffled(norm, rows, step=step) for step in range(3)], dim=1).detach()
    return out, torch.cat([norm.running_mean, norm.running_var])

def exchanged(rows, at_once):
    # what two views (of widths 5 and 2) are on all ranks, the gradient of it, and how many exchanges that took
    rows, taken, own = rows.clone().requires_grad_(), [], dist.all_gather
    views = [rows, 2 * rows[:, :2]]
    dist.all_gather = lambda *given: (taken.append(1), own(*given))
    out = gather(views, grad=True) if at_once else [gather(view, grad=True) for view in views]
    dist.all_gather = own
    sum((view * view.cumsum(0)).sum() for view in out).backward()
    return out, rows.grad, len(taken)

def queued(views, micro):
    torch.manual_seed(0)
    queue = Queue(5, size=11, unit=False).double()
    for parts in zip(*(view.split(micro) for view in views)):
        queue.stage(list(parts))
    queue.commit()
    return queue.rows

def normed(kind, shape, rows):
    # output, gradient of rows and weights, and statistics of two calls; the loss is a sum, a rank's its part of that
    layer = nn.Sequential(kind(5).double())
    layer[0].weight.data = torch.arange(1.0, 6.0).double()
    if dist.is_initialized():
        synchronise_batch_norm(layer, rows.device)
    rows = rows[:, :torch.Size(shape).numel()].clone().requires_grad_()
    for _ in range(2):
        out = layer(rows.view(-1, *shape))
    (out.square() * out.sin()).sum().backward()
    weight = layer[0].weight.grad
    if dist.is_initialized():
        dist.all_reduce(weight)
    return out.detach(), rows.grad, weight, torch.cat([layer[0].running_mean, layer[0].running_var])

def dropped(layer, rows, micro):
    found = []
    with chance_of_step(7):
        for i, part in enumerate(rows.split(micro)):
            begin_part(i, len(rows) // micro, micro)
            both = torch.cat([part, -part])  # two views in one call
            found.append(torch.stack((layer(both) + layer(both)).chunk(2)))
    return torch.cat(found, dim=1)

KINDS = [(nn.BatchNorm1d, (5,)), (nn.BatchNorm2d, (5, 2, 3)), (BatchNormAct2d, (5, 2, 3)), (BatchNorm, (3, 5))]
x = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
images = 3 + torch.randn(8, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
counts = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0])  # three rows of one rank, one of the other
label = torch.tensor([1, -1, 0, 4, -1, -1, 2, -1])
probe = LinearProbe(5, classes=5).double()
probe.linear.weight.data = torch.arange(5.0).double()[:, None].expand(5, 5).clone()
nn.init.zeros_(probe.linear.bias)
LOSSES = {
    "koleo of gathered rows": lambda rows: koleo_loss(gather(rows, grad=True), scope="rank"),
    "koleo of all ranks": koleo_loss,
    "koleo of groups within a rank": lambda rows: koleo_loss(rows, group=2),
    "koleo of groups across ranks": lambda rows: koleo_loss(rows, group=3),
}
labelled = lambda rows, y: cross_entropy(rows, y) + probe(rows, y).loss + accuracy(rows, y) + probe(rows, y).accuracy
one = {name: value_and_gradient(loss, x) for name, loss in LOSSES.items()}
supervised = value_and_gradient(lambda rows: labelled(rows, label), x)
(s, stats), c, q, r = keys(x), centred(x, 8), sinkhorn(x, temperature=0.1), sinkhorn(x, counts, temperature=0.1)
contrasts = [info_nce(rows, 2 * rows.flip(1), temperature=0.5) for rows in x.split(4)]
fifo = queued([x, 2 * x], 8)
whole = [normed(kind, shape, images) for kind, shape in KINDS]
drops = [DropPath(0.4).double(), DropExactly(0.4)]
paths = [dropped(layer, x, 8) for layer in drops]
assert all((path[0] == 0).all(dim=1).any() for path in paths), "some are dropped"

dist.init_process_group("gloo")
rank = dist.get_rank()
mine = slice(rank * 4, rank * 4 + 4)
uneven = slice(0, 3) if rank == 0 else slice(3, 8)

def same(a, b, what):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12, msg=lambda text: f"{what}: {text}")

same(centred(x[mine], 2), c, "center")
same(centred(x[uneven], 5), c, "center of uneven ranks")  # a token counts the same on whatever rank it is
same(sinkhorn(x[mine], temperature=0.1), q[mine], "sinkhorn")
same(sinkhorn(x[mine], counts[mine], temperature=0.1), r[mine], "masked sinkhorn")
same(keys(x[mine])[0], s[mine], "shuffled BatchNorm")
same(keys(x[mine])[1], stats, "its running statistics")
for micro in (4, 2, 1):
    same(queued([x[mine], 2 * x[mine]], micro), fifo, "rows of the queue, in order")
    for layer, path in zip(drops, paths):
        same(dropped(layer, x[mine], micro), path[:, mine], f"{type(layer).__name__} in parts of {micro}")
for name, (loss, grad) in one.items():
    value, gradient = value_and_gradient(LOSSES[name], x[mine])
    dist.all_reduce(value)
    same(value / 2, loss, name)
    same(gradient / 2, grad[mine], f"gradient of {name}, averaged over ranks")
value, gradient = value_and_gradient(lambda rows: labelled(rows, label[mine]), x[mine])
dist.all_reduce(value)
same(value / 2, supervised[0], "losses and accuracies where not all have labels")
same(gradient / 2, supervised[1][mine], "their gradient")
for rows in (mine, uneven):
    for (kind, shape), (out, grad, weight, statistics) in zip(KINDS, whole):
        found = normed(kind, shape, images[rows])
        same(found[0], out[rows], f"{kind.__name__} of all ranks")
        same(found[1], grad[rows], f"gradient of {kind.__name__}")
        same(found[2], weight, f"gradient of the weights of {kind.__name__}")
        same(found[3], statistics, f"running statistics of {kind.__name__}")
apart = info_nce(x[mine], 2 * x[mine].flip(1), temperature=0.5)
assert torch.equal(apart, contrasts[rank]), "keys that were not gathered have no offset"
(a, gradient, exchanges), (b, same_gradient, more) = exchanged(x[mine], True), exchanged(x[mine], False)
assert (exchanges, more) == (1, 2) and all(torch.equal(*pair) for pair in zip(a, b)), "views gathered in one exchange"
assert torch.equal(gradient, same_gradient), "gradient of views gathered in one exchange"
alone = koleo_loss(x[mine], scope="rank")
dist.all_reduce(alone)
assert abs(alone / 2 - one["koleo of all ranks"][0]) > 1e-3, "each rank by itself is something else"
dist.barrier()
dist.destroy_process_group()
print("EQUAL")
"""


@pytest.mark.slow
def test_what_joins_ranks_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    """BatchNorm, centre, Sinkhorn, KoLeo, queue, labels and stochastic depth, in value and gradient."""
    script = tmp_path / "ranks.py"
    script.write_text(SCRIPT)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.stdout.count("EQUAL") == 2, done.stderr[-3000:]
