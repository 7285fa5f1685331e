"""`graphssl eval` on frozen features: one function per protocol."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphssl.cli.evaluate import tell
from graphssl.cli.failures import UsageError

if TYPE_CHECKING:
    from graphssl.evaluate.frozen import Labelled


def knn(arguments: argparse.Namespace) -> int:
    if arguments.sweep:
        return _sweep(arguments)
    from graphssl.evaluate.frozen import knn_of_run

    settings = {name: value for name in ("k", "temperature") if (value := getattr(arguments, name)) is not None}
    result = knn_of_run(arguments.out, arguments.data, images=arguments.images, **settings, **_how(arguments))
    line = f"kNN top-1 {result['top1']:.2%}  (k {result['k']}, temperature {result['temperature']:g}, {_about(result)})"
    return tell(arguments, _name(arguments, "knn"), result, line)


def _sweep(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.knn import knn_sweep

    if arguments.k is not None or arguments.temperature is not None:
        raise UsageError("--sweep chooses k and temperature: leave --k and --temperature out")
    result = knn_sweep(_labelled(arguments))
    chosen = f"k {result['k']}, temperature {result['temperature']:g}"
    return tell(
        arguments,
        _name(arguments, "knn sweep"),
        result,
        f"{_sweep_table(result)}\n"
        f"kNN top-1 {result['top1']:.2%}  ({chosen}, chosen on {result['chosen_on']} held-out training images; {_about(result)})\n"
        f"[ ] chosen   * best of the test images: to report that one, {result['best_on_test']:.2%}, would be optimistic",
    )


def _sweep_table(result: Mapping[str, Any]) -> str:
    """Test accuracy in per cent by k and temperature."""
    cells = {(cell["k"], cell["temperature"]): cell["top1"] for cell in result["grid"]}
    temperatures = list(dict.fromkeys(temperature for _, temperature in cells))
    chosen, best = (result["k"], result["temperature"]), result["best_on_test"]

    def cell(place: tuple[int, float]) -> str:
        number = f"{100 * cells[place]:.2f}"
        return (f"[{number}]" if place == chosen else f"{number} ") + ("*" if cells[place] == best else " ")

    rows = [["k \\ temperature", *(f"{temperature:g}  " for temperature in temperatures)]]
    rows += [[str(k), *(cell((k, t)) for t in temperatures)] for k in dict.fromkeys(k for k, _ in cells)]
    return "\n".join(f"{name:>15}" + "".join(f"{word:>10}" for word in words) for name, *words in rows)


def logistic(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.logistic import logistic

    if arguments.max_iter < 1:
        raise UsageError("--max-iter is at least 1")
    result = logistic(_labelled(arguments), grid=arguments.grid, scale=arguments.scale, max_iter=arguments.max_iter)
    stopped = "" if result["converged"] else f"; stopped after {result['max_iter']} iterations, not converged"
    return tell(
        arguments,
        _name(arguments, "logistic"),
        result,
        f"logistic regression top-1 {result['top1']:.2%}  (C {result['C']:g} of {len(result['grid'])}, chosen on "
        f"{result['chosen_on']} held-out training images{stopped}; {_about(result)})",
    )


def few_shot(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.few_shot import few_shot

    result = few_shot(_labelled(arguments), shots=_numbers(arguments.shots), draws=arguments.draws)
    rows = [
        f"{row['shots']:>5} {_spread(row['class_means']):>18} {_spread(row['logistic']):>22}"
        for row in result["results"]
    ]
    table = "\n".join([f"{'shots':>5} {'nearest class mean':>18} {'logistic regression':>22}", *rows])
    draws = f"mean ± standard deviation over {result['draws']} draws" if result["draws"] > 1 else "one draw"
    return tell(arguments, _name(arguments, "few-shot"), result, f"{table}\ntop-1, {draws}; {_about(result)}")


def retrieval(arguments: argparse.Namespace) -> int:
    from graphssl.evaluate.retrieval import retrieval

    result = retrieval(_labelled(arguments), k=arguments.k)
    return tell(
        arguments,
        _name(arguments, "retrieval"),
        result,
        f"retrieval mAP {result['mAP']:.2%}, precision at {result['k']} {result['precision_at_k']:.2%}, recall at 1 "
        f"{result['recall_at_1']:.2%}  ({_about(result)})",
    )


def _how(arguments: argparse.Namespace) -> dict[str, Any]:
    """Of `FrozenRun`."""
    return {
        "features": arguments.features,
        "device": arguments.device,
        "workers": arguments.workers,
        "plugins": arguments.plugin,
        "cache": not arguments.no_cache,
    }


def _labelled(arguments: argparse.Namespace) -> Labelled:
    from graphssl.evaluate.frozen import FrozenRun

    return FrozenRun(arguments.out, **_how(arguments)).labelled(arguments.data, images=arguments.images)


def _name(arguments: argparse.Namespace, protocol: str) -> str:
    """In the run's summary."""
    return protocol if arguments.features == "encoder" else f"{protocol} {arguments.features}"


def _about(result: Mapping[str, Any]) -> str:
    return f"{result['bank']} training and {result['queries']} test images, features: {result['features']}"


def _spread(found: Mapping[str, Any]) -> str:
    return f"{found['mean']:.2%}" + (f" ± {100 * found['std']:.2f}" if found["std"] is not None else "")


def _numbers(text: str) -> Sequence[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise UsageError(f"--shots is whole numbers with commas, for example 1,5,10; got `{text}`")
    return [int(word) for word in words]
