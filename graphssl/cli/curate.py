"""`graphssl curate`."""

from __future__ import annotations

import argparse
import json
import sys

from graphssl.cli.failures import UsageError
from graphssl.language.diagnostics import did_you_mean, render_text


def curate(arguments: argparse.Namespace) -> int:
    from graphssl.curate.curation import load

    curation = load(arguments.curation, arguments.set, plugins=arguments.plugin)
    stages = curation.checked_graph().nodes
    if arguments.skip:
        for name in arguments.skip:
            if name not in stages:
                raise UsageError(f"there is no stage `{name}` to skip: {did_you_mean(name, stages)}")
        skipped = [f"nodes.{name}.skip=true" for name in arguments.skip]
        curation = load(arguments.curation, [*arguments.set, *skipped], plugins=arguments.plugin)
        curation.checked_graph()
    if curation.findings:
        print(render_text(curation.findings), end="\n\n", file=sys.stderr)
    if arguments.workers < 1:
        raise UsageError("--workers is at least 1")
    from graphssl.curate.run import Options, curate
    from graphssl.runtime.launcher import is_main_process

    options = Options(
        engine=_engine(arguments),
        until=arguments.until,
        allow_changed=arguments.allow_changed,
        device=arguments.device,
        workers=arguments.workers if arguments.workers > 1 else 0,
        plugins=tuple(arguments.plugin),
    )
    summary = curate(curation, arguments.out, options, say=lambda line: print(line, file=sys.stderr))
    if is_main_process():
        print(json.dumps({**summary, "out": arguments.out}) if arguments.format == "json" else _last(arguments))
    return 0


def _engine(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from graphssl.curate.engine import Local

    if arguments.engine == "local":
        return Local(arguments.workers)
    from graphssl.curate.engine_ray import Ray

    return Ray(arguments.workers)


def _last(arguments: argparse.Namespace) -> str:
    if arguments.until:
        return f"done until `{arguments.until}`: {arguments.out}/report.html"
    return f"{arguments.out}/manifest.parquet; train on it with --data manifest:{arguments.out}/manifest.parquet; what was done: {arguments.out}/report.html"
