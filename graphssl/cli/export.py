"""`export` and `import`: to the tools that others use, and from what others released."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from graphssl.cli.failures import UsageError


def export(arguments: argparse.Namespace) -> int:
    from graphssl.export import hub
    from graphssl.export.formats import export as write

    if arguments.push and arguments.format != "safetensors":
        raise UsageError("--push uploads a folder of --format safetensors")
    lines = write(
        arguments.run_folder, arguments.out, arguments.format, force=arguments.force, plugins=arguments.plugin
    )
    print(*lines, sep="\n")
    print(f"wrote {arguments.out}", file=sys.stderr)
    if arguments.push:
        print(f"pushed to {hub.push(Path(arguments.out), arguments.push)}")
    return 0


def import_(arguments: argparse.Namespace) -> int:
    from graphssl.runtime.released.importing import import_released

    lines = import_released(arguments.file, arguments.method, arguments.out, arguments.set, plugins=arguments.plugin)
    print(*lines, sep="\n")
    return 0
