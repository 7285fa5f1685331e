"""The command line: words and help here, what they do in the sibling files, which are imported when needed."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from graphssl import __version__

METHOD = "bundled name (byol), name@variant (byol@cifar10), or path/to/file.yaml[@variant]"
DATA = (
    "shapes | a folder of images (class subfolders or flat, or one with train/ and test/) | a .tar, .tar.xz or .zip of "
    "such a folder | torchvision:CIFAR10"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    if not hasattr(arguments, "run"):
        _parser().print_help()
        return 2
    from graphssl.cli.failures import guarded

    return guarded(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="graphssl",
        description="Self-supervised learning methods as YAML graphs: checked, compiled, trained, drawn.",
        epilog="Start with: graphssl train simclr@quick --data shapes --out runs/first",
    )
    parser.add_argument("--version", action="version", version=f"graphssl {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, run: str, help: str, example: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.",
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=_later(run))
        return command

    _inspecting(add)
    _running(add)
    return parser


def _later(place: str) -> Callable[[argparse.Namespace], int]:
    """The function at `module:name`, imported when called."""

    def run(arguments: argparse.Namespace) -> int:
        module, _, name = place.partition(":")
        code: int = getattr(importlib.import_module(f"graphssl.cli.{module}"), name)(arguments)
        return code

    return run


def _method(command: argparse.ArgumentParser, *, many: bool = False, optional: bool = False) -> None:
    command.add_argument("method", metavar="METHOD", nargs="+" if many else "?" if optional else None, help=METHOD)
    command.add_argument(
        "--set", metavar="PATH=VALUE", action="append", default=[], help="override a value of the file"
    )
    command.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")


def _speed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile the blocks of encoders, and heads: a slow first step, then faster ones; rounds otherwise",
    )
    command.add_argument("--no-tf32", action="store_true", help="on a GPU, products in full fp32 instead of TF32")


def _data(command: argparse.ArgumentParser) -> None:
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


def _inspecting(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("list", "inspect:list_", "list methods with their variants, ops and recipes", "graphssl list")
    command.add_argument("--format", choices=["text", "json"], default="text")

    command = add("new", "inspect:new", "write a commented starter file", "graphssl new my_method --from byol")
    command.add_argument("name", metavar="NAME", help="name of the new method; NAME.yaml is written here")
    command.add_argument("--from", dest="base", metavar="METHOD", help="start from this bundled method")

    command = add(
        "check",
        "check:check",
        "find what is wrong with methods",
        "graphssl check byol my_method.yaml\n         graphssl check dinov2 --launch fsdp.yaml",
    )
    _method(command, many=True)
    command.add_argument("--static", action="store_true", help="leave out the dry run (fast, no torch)")
    command.add_argument(
        "--launch", metavar="CONFIG", help="also what would go wrong under this config of `accelerate launch`"
    )
    command.add_argument("--format", choices=["text", "json", "github", "sarif"], default="text")

    command = add("explain", "check:explain", "explain the code of a finding", "graphssl explain width-mismatch")
    command.add_argument("code", metavar="CODE", nargs="?", help="the code in [brackets]; none: list all")

    command = add(
        "resolve",
        "inspect:resolve",
        "print the flat file, each value with where it was set",
        "graphssl resolve byol@cifar10",
    )
    _method(command)

    command = add(
        "show",
        "inspect:show",
        "show nodes, parameters, state, FLOPs, groups and schedules",
        "graphssl show byol@cifar10",
    )
    _method(command)
    command.add_argument("--format", choices=["text", "json"], default="text")

    command = add(
        "viz",
        "viz:viz",
        "draw a method, or what a run of it measured",
        "graphssl viz byol -o byol.html\n         graphssl viz --run runs/first -o first.svg --measure rank",
    )
    _method(command, optional=True)
    command.add_argument(
        "-o", "--out", metavar="FILE", required=True, help="FILE.html, .svg, .png, .mmd, .dot or .json"
    )
    command.add_argument("--sizes", action="store_true", help="write parameters and widths of the built model (slower)")
    command.add_argument("--with-errors", action="store_true", help="draw what is understood, and what is wrong in red")
    command.add_argument(
        "--collapse", metavar="BLOCK", nargs="*", help="draw these blocks as one box each; without a name: all of them"
    )
    command.add_argument(
        "--run",
        dest="run_folder",
        metavar="RUN",
        help="colour nodes and edges by what this run measured; METHOD may be left out",
    )
    command.add_argument(
        "--measure", metavar="NAME", help="std (default), rank, rank_share, grad_norm, ema_distance, age, …"
    )
    command.add_argument("--step", type=int, metavar="N", help="the measurement at this step; default: the last")

    command = add(
        "diff",
        "diff:diff",
        "say what turns one method into another",
        "graphssl diff byol simsiam\n         graphssl diff byol simsiam -o byol_simsiam.html",
    )
    command.add_argument("a", metavar="A", help=f"a method: {METHOD}")
    command.add_argument("b", metavar="B", help="the method it is compared with, likewise")
    command.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")
    command.add_argument(
        "-o", "--out", metavar="FILE", help="draw both in one: FILE.html (also side by side), .svg, .png, …"
    )
    command.add_argument("--format", choices=["text", "json"], default="text")
    command.add_argument("--exit-code", action="store_true", help="exit with 1 when they differ; default: 0")

    command = add(
        "eject", "inspect:eject", "write the PyTorch that a method compiles to", "graphssl eject byol -o byol.py"
    )
    _method(command)
    command.add_argument("-o", "--out", metavar="FILE", help="default: standard output")

    command = add(
        "schema", "inspect:schema", "print the JSON Schema of graph files", "graphssl schema -o graph.schema.json"
    )
    command.add_argument("-o", "--out", metavar="FILE", help="default: standard output")
    command.add_argument("--for", dest="method", metavar="METHOD", help="with this method's node and variant names")
    command.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")


def _running(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "train",
        "run:train",
        "train a method on images",
        "graphssl train simclr@quick --data shapes --out runs/first\n"
        "         accelerate launch -m graphssl train byol --data IMAGENET --out runs/byol",
    )
    _method(command)
    command.add_argument("--data", metavar="DATA", required=True, help=DATA)
    command.add_argument("--out", metavar="RUN", required=True, help="run folder, new unless --resume")
    length = command.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=float, metavar="N", help="passes over the data; default: the recipe's")
    length.add_argument("--steps", type=int, metavar="N", help="optimizer steps instead of epochs")
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint, bit for bit")
    command.add_argument(
        "--allow-changed", action="store_true", help="resume although method, length or data were changed"
    )
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps; default: the best there is")
    command.add_argument("--log-every", type=int, default=10, metavar="STEPS", help="default: 10 steps")
    command.add_argument("--log-with", metavar="TRACKER", help="tensorboard, wandb, … through Accelerate")
    command.add_argument(
        "--eval-every", type=float, metavar="EPOCHS", help="kNN this often; 0: never; default: ten times"
    )
    command.add_argument(
        "--eval-samples", type=int, default=5000, metavar="N", help="images of each split for kNN while training"
    )
    command.add_argument("--checkpoint-every", type=float, metavar="EPOCHS", help="default: ten times a run")
    command.add_argument("--keep-checkpoints", type=int, default=2, metavar="N", help="newest that stay; default: 2")
    command.add_argument(
        "--measure-every", type=int, metavar="STEPS", help="measure each node; 0: never; default: about 200 times a run"
    )
    command.add_argument(
        "--verify-every",
        type=int,
        metavar="STEPS",
        help="compare weights and state of all processes; default: at each checkpoint",
    )
    command.add_argument("--max-bad", type=float, default=0.01, metavar="SHARE", help="unreadable images allowed")
    command.add_argument(
        "--max-skipped", type=int, default=10, metavar="N", help="steps in a row that may not be finite; default: 10"
    )
    _data(command)
    _speed(command)

    command = add(
        "bench",
        "bench:bench",
        "say where the time and the memory of a training step go, node by node, and what limits it",
        "graphssl bench byol@cifar10 --data CIFAR10 -o byol.svg",
    )
    _method(command)
    command.add_argument("--data", metavar="DATA", required=True, help=DATA)
    command.add_argument("--steps", type=int, default=20, metavar="N", help="steps that are timed; default: 20")
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps; default: the best there is")
    _data(command)
    _speed(command)
    command.add_argument(
        "-o", "--out", metavar="FILE", help="draw the graph in the colours of its time: FILE.html, .svg, .png, …"
    )
    command.add_argument("--format", choices=["text", "json"], default="text")

    command = add(
        "watch",
        "watch:watch",
        "follow a run in the browser: curves, and the graph in the colours of what it measures",
        "graphssl watch runs/first",
    )
    command.add_argument("out", metavar="RUN", help="run folder")
    command.add_argument("--port", type=int, default=0, metavar="N", help="on 127.0.0.1; default: a free one")
    command.add_argument("--open", action="store_true", help="open the page in the browser")
    command.add_argument("--wait", action="store_true", help="wait for a run that does not exist yet")

    command = add(
        "demo", "demo:demo", "train, evaluate and draw SimCLR on generated images", "graphssl demo --out runs/demo"
    )
    command.add_argument("--out", metavar="RUN", default="runs/demo", help="run folder; default: runs/demo")

    evaluate = add("eval", "run:evaluate", "evaluate a finished run", "graphssl eval knn runs/first --data shapes")
    evaluate.add_argument(
        "protocol",
        choices=["knn", "monitors"],
        help="knn: weighted k-nearest neighbours; monitors: losses and monitors on the test images, a classifier's accuracy",
    )
    evaluate.add_argument("out", metavar="RUN", help="run folder")
    evaluate.add_argument("--data", metavar="DATA", required=True, help=DATA)
    evaluate.add_argument("--format", choices=["text", "json"], default="text")
    evaluate.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")
    evaluate.add_argument("--k", type=int, default=20, help="neighbours; default: 20")
    evaluate.add_argument("--temperature", type=float, default=0.07, help="of the vote; default: 0.07")
    evaluate.add_argument("--features", choices=["encoder", "random", "pixels"], default="encoder",
                          help="the run's encoder, the same with random weights, or raw pixels")  # fmt: skip
    evaluate.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps")
    evaluate.add_argument("--workers", type=int, default=0, metavar="N", help="loader processes")


def entry() -> None:
    """The console script."""
    sys.exit(main())
