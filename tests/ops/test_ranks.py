"""Two real processes, each with half of the batch, equal one with all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import torch, torch.distributed as dist
from graphssl.ops.assignment import sinkhorn
from graphssl.ops.koleo import koleo_loss
from graphssl.ops.modules.batch_norm import grouped_batch_norm, shuffled
from graphssl.ops.modules.center import Center
from graphssl.ops.modules.distributed import gather

def centred(rows, micro):
    center = Center(5, momentum=0.7).double()
    for step in range(3):
        for part in (rows * (step + 1)).split(micro):
            center.stage(part)
        center.commit()
    return center.center

def spread(rows):
    rows = rows.clone().requires_grad_()
    loss = koleo_loss(gather(rows, grad=True))
    loss.backward()
    return loss.detach(), rows.grad

def keys(rows):
    norm = grouped_batch_norm(torch.nn.BatchNorm1d(5).double(), rows=2)
    return torch.stack([shuffled(norm, rows, step=step) for step in range(3)], dim=1).detach()

x = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
counts = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0])  # three rows of one rank, one of the other
s, c, q, r, (k, g) = keys(x), centred(x, 8), sinkhorn(x, temperature=0.1), sinkhorn(x, counts, temperature=0.1), spread(x)
dist.init_process_group("gloo")
rank = dist.get_rank()
mine = slice(rank * 4, rank * 4 + 4)
assert torch.allclose(centred(x[mine], 2), c, rtol=1e-12), "center"
uneven = x[:3] if rank == 0 else x[3:]  # a token counts the same on whatever rank it is
assert torch.allclose(centred(uneven, 5), c, rtol=1e-12), "center of uneven ranks"
assert torch.allclose(sinkhorn(x[mine], temperature=0.1), q[mine], rtol=1e-10), "sinkhorn"
assert torch.allclose(sinkhorn(x[mine], counts[mine], temperature=0.1), r[mine], rtol=1e-10), "masked sinkhorn"
assert torch.allclose(keys(x[mine]), s[mine], rtol=1e-10), "shuffled BatchNorm"
loss, grad = spread(x[mine])
assert torch.allclose(loss, k, rtol=1e-12), "koleo"
assert torch.allclose(grad / 2, g[mine], rtol=1e-10, atol=1e-14), "koleo's gradient, averaged over ranks"
dist.barrier()
dist.destroy_process_group()
print("EQUAL")
"""


@pytest.mark.slow
def test_center_sinkhorn_gathered_koleo_and_shuffled_batch_norm_do_not_depend_on_the_number_of_ranks(
    tmp_path: Path,
) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29613", str(script)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout.count("EQUAL") == 2, done.stderr[-3000:]
