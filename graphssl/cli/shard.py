"""`graphssl shard`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from graphssl.cli.failures import UsageError


def shard(arguments: argparse.Namespace) -> int:
    from graphssl.data.shards.write import write_shards
    from graphssl.data.sources import open_data

    if arguments.images is not None and arguments.images < 1:
        raise UsageError("--images is at least 1")
    if not arguments.size_mb > 0:
        raise UsageError("--size-mb is above 0")
    out = Path(arguments.out).expanduser()
    written = write_shards(
        open_data(arguments.data, arguments.split),
        out,
        images=arguments.images,
        size_mb=arguments.size_mb,
        shuffle=None if arguments.no_shuffle else arguments.shuffle,
        workers=arguments.workers,
    )
    left_out = f", {written.left_out} that cannot be read left out" if written.left_out else ""
    shards = f"{written.shards} shard{'s' * (written.shards != 1)}"
    line = f"{written.images} images in {shards}{left_out}: --data wds:{out}"
    facts = {**asdict(written), "data": f"wds:{out}"}
    print(json.dumps(facts) if arguments.format == "json" else line)
    return 0
