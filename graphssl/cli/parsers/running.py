"""Commands that train, measure and follow runs."""

from __future__ import annotations

from graphssl.cli.parsers.shared import DATA, Add, data, method, speed


def running(add: Add) -> None:
    command = add(
        "train",
        "run:train",
        "train a method on images",
        "graphssl train simclr@quick --data shapes --out runs/first\n"
        "         accelerate launch -m graphssl train byol --data IMAGENET --out runs/byol",
    )
    method(command)
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
    data(command)
    speed(command)

    command = add(
        "bench",
        "bench:bench",
        "say where the time and the memory of a training step go, node by node, and what limits it",
        "graphssl bench byol@cifar10 --data CIFAR10 -o byol.svg",
    )
    method(command)
    command.add_argument("--data", metavar="DATA", required=True, help=DATA)
    command.add_argument("--steps", type=int, default=20, metavar="N", help="steps that are timed; default: 20")
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps; default: the best there is")
    data(command)
    speed(command)
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
