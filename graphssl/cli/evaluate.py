"""`graphssl eval`: one function per protocol."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from graphssl.cli.failures import UsageError
from graphssl.language.resolve import locate, variants_of
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder


def tell(arguments: argparse.Namespace, name: str, result: dict[str, Any], line: str) -> int:
    """Print a result, as a line or as JSON, and keep it in the run's summary under the protocol's name."""
    try:
        RunFolder(arguments.out).record_evaluation(name, {"data": arguments.data, **result})
    except RunError as error:  # a run that may only be read can be evaluated, too
        print(f"not kept in summary.json: {error}", file=sys.stderr)
    print(json.dumps(result) if arguments.format == "json" else line)
    return 0


def monitors(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.monitors import monitors_of_run

    result = monitors_of_run(
        arguments.out, arguments.data, device=arguments.device, workers=arguments.workers, plugins=arguments.plugin
    )
    values = "  ".join(f"{name} {value:.4f}" for name, value in {**result["losses"], **result["monitors"]}.items())
    return tell(arguments, "monitors", result, f"{values}  ({result['images']} test images, not augmented)")


def linear(arguments: argparse.Namespace) -> int:
    random, protocol = arguments.features == "random", arguments.protocol
    variants = variants_of(locate("linear")[0])
    if protocol not in variants and not Path(protocol.partition("@")[0]).is_file():
        known = ", ".join(name for name in variants if not name.endswith("_blocks"))
        raise UsageError(f"there is no protocol `{protocol}`; known: {known}, or a graph file of your own")
    return _train_on(
        arguments,
        f"linear {protocol}{' random' if random else ''}",
        f"linear@{protocol}" if protocol in variants else protocol,
        f"linear@{protocol}_blocks" if f"{protocol}_blocks" in variants else None,
        ["nodes.f.init=random"] if random else [],
    )


def finetune(arguments: argparse.Namespace) -> int:
    return _train_on(
        arguments,
        f"finetune {arguments.labels}{' from scratch' if arguments.scratch else ''}",
        "finetune",
        "finetune@vit",
        [f"train.images={arguments.labels}", *(["nodes.f.init=random"] if arguments.scratch else [])],
    )


def _train_on(
    arguments: argparse.Namespace, name: str, method: str, transformer: str | None, overrides: list[str]
) -> int:
    """Train a graph on top of the run, score it, and tell the share of right answers."""
    from graphssl.evaluate.trained import Asked, scores, train_on_run
    from graphssl.runtime.launcher import is_main_process

    folder = re.sub(r"\W+", "_", name).strip("_")
    epochs = [f"train.epochs={arguments.epochs:g}"] if arguments.epochs is not None else []
    options = {"resume": arguments.resume, "device": arguments.device, "workers": arguments.workers}
    asked = Asked(
        run=arguments.out,
        data=arguments.data,
        method=method,
        transformer=transformer,
        out=Path(arguments.into or Path(arguments.out) / "evaluations" / folder),
        overrides=[*overrides, *epochs, *arguments.set],
        plugins=arguments.plugin,
        options=options,
    )
    code = train_on_run(asked)
    if code or not is_main_process():
        return code
    result = scores(asked)
    best = f"{result['best']}, chosen on {result['chosen_on']} held-out images; " if "best" in result else ""
    line = f"{name}: top-1 {result['top1']:.2%}  ({best}{result['images']} training and {result['test_images']} test images)"
    return tell(arguments, name, result, line)
