"""`graphssl shard`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from graphssl.cli.failures import UsageError
from graphssl.runtime.errors import RunError, reason
from graphssl.runtime.lock import held


def shard(arguments: argparse.Namespace) -> int:
    from graphssl.data.shards.write import write_shards
    from graphssl.data.sources import open_data

    if arguments.images is not None and arguments.images < 1:
        raise UsageError("--images is at least 1")
    if not arguments.size_mb > 0:
        raise UsageError("--size-mb is above 0")
    out = Path(arguments.out).expanduser()
    source = open_data(arguments.data, arguments.split)
    with _held(out):
        written = write_shards(
            source,
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


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keep others from writing there, too."""
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(out / ".lock", f"`{out}` is being written by"))
        except OSError as error:
            raise RunError(f"cannot write to `{out}`: {reason(error)}") from None
        yield
