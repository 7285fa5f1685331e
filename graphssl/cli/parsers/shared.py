"""What several commands take."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

Add = Callable[..., argparse.ArgumentParser]
"""`add(name, "file:function", help, example)`: a new command, whose function is imported when it is called."""

Protocol = Callable[..., argparse.ArgumentParser]
"""`protocol(name, help, example, file)`: a new protocol of `eval`, done by the function of that name in a file of cli/."""

METHOD = "bundled name (byol), name@variant (byol@cifar10), or path/to/file.yaml[@variant]"
DATA = (
    "shapes | a folder of images (class subfolders or flat, one with train/ and test/, or images/ beside masks/) | a .tar, .tar.xz or .zip of "
    "such a folder | wds:PATTERN (WebDataset shards; wds+skip: leaves out lost ones) | hf:NAME[:CONFIG][:SPLIT] (Hugging Face) | "
    "manifest:FILE.parquet | torchvision:CIFAR10"
)


def adder(commands: Any) -> Add:
    """How commands are added to argparse's subparsers."""

    def add(name: str, run: str, help: str, example: str) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(
            name,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.",
            epilog=f"example: {example}".replace("%", "%%"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=_later(run))
        return command

    return add


def _later(place: str) -> Callable[[argparse.Namespace], int]:
    """The function at `module:name`, imported when called."""

    def run(arguments: argparse.Namespace) -> int:
        module, _, name = place.partition(":")
        code: int = getattr(importlib.import_module(f"graphssl.cli.{module}"), name)(arguments)
        return code

    return run


def method(command: argparse.ArgumentParser, *, many: bool = False, optional: bool = False) -> None:
    command.add_argument("method", metavar="METHOD", nargs="+" if many else "?" if optional else None, help=METHOD)
    command.add_argument(
        "--set", metavar="PATH=VALUE", action="append", default=[], help="override a value of the file"
    )
    plugin(command)


def plugin(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")


def features(command: argparse.ArgumentParser, *, pixels: bool = False) -> None:
    """Whose features are taken."""
    choices = {"encoder": "the run's encoder", "random": "the same with random weights"}
    choices |= {"pixels": "raw pixels"} if pixels else {}
    *first, last = choices.values()
    command.add_argument(
        "--features", choices=list(choices), default="encoder", help=f"{', '.join(first)}, or {last}; default: encoder"
    )


def on_data(command: argparse.ArgumentParser) -> None:
    """What everything that shows a run's network images takes."""
    command.add_argument("--data", metavar="DATA", required=True, help=DATA)
    command.add_argument("--format", choices=["text", "json"], default="text")
    plugin(command)
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="loader processes of each rank")


def speed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile the blocks of encoders, and heads: a slow first step, then faster ones; rounds otherwise",
    )
    command.add_argument("--no-tf32", action="store_true", help="on a GPU, products in full fp32 instead of TF32")


def data(command: argparse.ArgumentParser) -> None:
    """How images come to the step."""
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="loader processes of each rank; default: 0 on a CPU, else its share of the cores, up to 16",
    )
    command.add_argument(
        "--augment",
        choices=["auto", "host", "device"],
        default="auto",
        help="where views are made; auto: by the workers if the device is a CPU, else where it takes less time",
    )
    command.add_argument(
        "--cache",
        choices=["ram", "disk", "none"],
        default="ram",
        help="where decoded images are kept; ram: if all fit into --cache-gb; disk: for later runs, too; default: ram",
    )
    command.add_argument("--cache-gb", type=float, default=4.0, metavar="GB", help="memory for images; default: 4")
    command.add_argument(
        "--cache-dir", metavar="DIR", help="of --cache disk; default: `decoded` in the user's cache folder"
    )
