"""`graphssl eval`: one function per protocol."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

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


def knn(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.run import knn_of_run

    result = knn_of_run(
        arguments.out,
        arguments.data,
        k=arguments.k,
        temperature=arguments.temperature,
        features=arguments.features,
        device=arguments.device,
        workers=arguments.workers,
        plugins=arguments.plugin,
    )
    name = "knn" if arguments.features == "encoder" else f"knn {arguments.features}"
    return tell(
        arguments,
        name,
        result,
        f"kNN top-1 {result['top1']:.2%}  (k {result['k']}, temperature {result['temperature']:g}, "
        f"{result['bank']} training and {result['queries']} test images, features: {result['features']})",
    )
