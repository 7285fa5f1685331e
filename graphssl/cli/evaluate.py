"""`graphssl eval`: one function per protocol."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphssl.cli.failures import UsageError
from graphssl.language.resolve import locate, variants_of
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder

if TYPE_CHECKING:
    from graphssl.evaluate.trained import Asked


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


def segmentation(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.segmentation import segmentation_scores, train_segmentation
    from graphssl.runtime.launcher import is_main_process

    random = arguments.features == "random"
    name = f"segmentation{' random' if random else ''}"
    size = [f"nodes.v.size={arguments.size}"] if arguments.size else []
    asked = _asked(arguments, name, "segmentation", None, [*size, *(["nodes.f.init=random"] if random else [])])
    code = train_segmentation(asked)
    if code or not is_main_process():
        return code
    result = segmentation_scores(asked)
    line = (
        f"{name}: mIoU {result['miou']:.2%} over {result['classes']} classes, {result['pixel_accuracy']:.2%} of pixels right  "
        f"({result['images']} training and {result['test_images']} test images, views of {result['image_size']} px)"
    )
    return tell(arguments, name, result, line)


def localisation(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.localisation import HIT, localisation_of_run

    result = localisation_of_run(
        arguments.out,
        arguments.data,
        how=arguments.how,
        random=arguments.features == "random",
        size=arguments.size,
        device=arguments.device,
        workers=arguments.workers,
        plugins=arguments.plugin,
    )
    name = f"localisation {arguments.how}{' random' if arguments.features == 'random' else ''}"
    line = (
        f"{name}: CorLoc {result['corloc']:.2%} at IoU {HIT}, mean IoU {result['mean_iou']:.3f}  "
        f"({result['images']} test images; the whole image as box: {result['whole_image']['corloc']:.2%})"
    )
    return tell(arguments, name, result, line)


def _train_on(
    arguments: argparse.Namespace, name: str, method: str, transformer: str | None, overrides: list[str]
) -> int:
    """Train a graph on top of the run, score it, and tell the share of right answers."""
    from graphssl.evaluate.trained import scores, train_on_run
    from graphssl.runtime.launcher import is_main_process

    asked = _asked(arguments, name, method, transformer, overrides)
    code = train_on_run(asked)
    if code or not is_main_process():
        return code
    result = scores(asked)
    best = f"{result['best']}, chosen on {result['chosen_on']} held-out images; " if "best" in result else ""
    line = f"{name}: top-1 {result['top1']:.2%}  ({best}{result['images']} training and {result['test_images']} test images)"
    return tell(arguments, name, result, line)


def _asked(
    arguments: argparse.Namespace, name: str, method: str, transformer: str | None, overrides: list[str]
) -> Asked:
    from graphssl.evaluate.trained import Asked

    folder = re.sub(r"\W+", "_", name).strip("_")
    epochs = [f"train.epochs={arguments.epochs:g}"] if arguments.epochs is not None else []
    return Asked(
        run=arguments.out,
        data=arguments.data,
        method=method,
        transformer=transformer,
        out=Path(arguments.into or Path(arguments.out) / "evaluations" / folder),
        overrides=[*overrides, *epochs, *arguments.set],
        plugins=arguments.plugin,
        options={"resume": arguments.resume, "device": arguments.device, "workers": arguments.workers},
    )
