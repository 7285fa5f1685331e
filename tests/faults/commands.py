"""`graphssl train` as its own process, or as several that form one run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TINY = [
    "train", "simclr@quick", "--data", "shapes:32,256", "--device", "cpu", "--eval-every", "0", "--log-every", "1",
    "--set", "nodes.f.args.channels=[8,8,8,8]", "--set", "train.batch_size=64", "--set", "train.precision=fp32",
]  # fmt: skip


def start(words: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    """`python WORDS…` on one thread, its messages caught."""
    given = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", **environment}
    given["PYTHONPATH"] = str(Path(__file__).parents[2])
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, *words], text=True, env=given, **pipes)


def start_ranks(ranks: int, words: Sequence[str]) -> list[subprocess.Popen[str]]:
    """Processes of one run without a launcher that ends them all when one fails, as `srun` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks)}
    return [start(words, RANK=str(r), LOCAL_RANK=str(r), **where) for r in range(ranks)]


def ended(process: subprocess.Popen[str], timeout: float = 300) -> tuple[int, str]:
    """Exit code and messages."""
    try:
        messages, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, messages
