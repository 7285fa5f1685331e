"""`graphssl embed`."""

from __future__ import annotations

import argparse
import json
import os
import sys

from graphssl.cli.failures import UsageError


def embed(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.embedding import embed
    from graphssl.runtime.launcher import is_main_process, processes_asked

    if arguments.shard_images is not None and arguments.shard_images < 1:
        raise UsageError("--shard-images is at least 1")
    if "WORLD_SIZE" not in os.environ and (wanted := processes_asked()) > 1:
        print(
            f"note: {wanted} processes were asked for and one was started: on the CPU, use `torchrun`", file=sys.stderr
        )
    result = embed(
        arguments.run_folder,
        arguments.data,
        arguments.out,
        split=arguments.split,
        features=arguments.features,
        shard_images=arguments.shard_images,
        device=arguments.device,
        workers=arguments.workers,
        plugins=arguments.plugin,
    )
    if not is_main_process():
        return 0
    left_out = f", {result['left_out']} that cannot be decoded left out" if result["left_out"] else ""
    line = (
        f"{result['images']} images{left_out}, {result['width']} numbers each ({result['features']}): {arguments.out}"
    )
    print(json.dumps({**result, "out": arguments.out}) if arguments.format == "json" else line)
    return 0
