"""`graphssl train`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from graphssl.cli.failures import UsageError
from graphssl.language.diagnostics import GraphError, has_errors, render_text
from graphssl.pipeline import Method, load


def train(arguments: argparse.Namespace) -> int:
    """Check first, without torch; then train."""
    epochs = [f"train.epochs={arguments.epochs:g}"] if arguments.epochs is not None else []
    method = checked(arguments.method, [*arguments.set, *epochs], arguments.plugin)
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train as run

    options = Options(
        data=arguments.data,
        out=arguments.out,
        steps=arguments.steps,
        resume=arguments.resume,
        allow_changed=arguments.allow_changed,
        device=arguments.device,
        log_every=arguments.log_every,
        eval_every=arguments.eval_every,
        eval_samples=arguments.eval_samples,
        checkpoint_every=arguments.checkpoint_every,
        keep_checkpoints=arguments.keep_checkpoints,
        measure_every=arguments.measure_every,
        verify_every=arguments.verify_every,
        max_bad=arguments.max_bad,
        max_skipped=arguments.max_skipped,
        log_with=arguments.log_with,
        compile=arguments.compile,
        tf32=not arguments.no_tf32,
        **of_data(arguments),
    )
    return run(method, options)


def of_data(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of how images come to the step."""
    if arguments.cache_dir and arguments.cache != "disk":
        raise UsageError("--cache-dir is where `--cache disk` keeps images: give both")
    return {name: getattr(arguments, name) for name in ("workers", "augment", "cache", "cache_gb", "cache_dir")}


def checked(reference: str, overrides: Sequence[str], plugins: Sequence[str]) -> Method:
    """A method without errors; its warnings are told."""
    method = load(reference, overrides, plugins=plugins)
    method.checked_graph()  # errors that need no torch are told before it is imported
    if has_errors(method.findings):
        raise GraphError(method.findings)
    if warnings := [finding for finding in method.findings if finding.severity == "warning"]:
        print(render_text(warnings), file=sys.stderr)
    return method
