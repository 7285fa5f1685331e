"""`graphssl eval PROTOCOL RUN`: one command per protocol."""

from __future__ import annotations

import argparse

from graphssl.cli.parsers import frozen
from graphssl.cli.parsers.shared import Add, Protocol, adder, features, on_data


def evaluating(add: Add) -> None:
    command = add("eval", "", "evaluate a finished run", "graphssl eval knn runs/first --data shapes")
    protocols = adder(command.add_subparsers(title="protocols", metavar="PROTOCOL", required=True))

    def protocol(name: str, help: str, example: str, file: str = "evaluate") -> argparse.ArgumentParser:
        """`graphssl eval NAME`, done by the function of that name in a file of cli/."""
        parser = protocols(name, f"{file}:{name.replace('-', '_')}", help, example)
        parser.add_argument("out", metavar="RUN", help="run folder")
        on_data(parser)
        return parser

    for protocol_of in (
        frozen.knn,
        frozen.logistic,
        frozen.few_shot,
        frozen.retrieval,
        _monitors,
        _linear,
        _finetune,
        _segmentation,
        _localisation,
    ):
        protocol_of(protocol)


def _monitors(protocol: Protocol) -> None:
    protocol(
        "monitors",
        "losses and monitors on the test images, a classifier's accuracy for example",
        "graphssl eval monitors runs/tuned --data shapes",
    )


def _trains(parser: argparse.ArgumentParser) -> None:
    """Of protocols that train something."""
    parser.add_argument("--epochs", type=float, metavar="N", help="passes over the data; default: the protocol's")
    parser.add_argument(
        "--set", metavar="PATH=VALUE", action="append", default=[], help="override a value of its graph"
    )
    parser.add_argument("--into", metavar="RUN2", help="its run folder; default: a folder in RUN/evaluations")
    parser.add_argument("--resume", action="store_true", help="go on from its last checkpoint")


def _linear(protocol: Protocol) -> None:
    parser = protocol(
        "linear",
        "a linear classifier on frozen features, trained as the papers do",
        "graphssl eval linear runs/first --data shapes --protocol moco --epochs 20",
    )
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        default="dinov2",
        help="moco, moco_v3, simclr, dino, dinov2 (many learning rates at once), or a graph file of your own; default: dinov2",
    )
    features(parser)
    _trains(parser)


def _finetune(protocol: Protocol) -> None:
    parser = protocol(
        "finetune",
        "train the whole network further, on all or a share of the labels",
        "graphssl eval finetune runs/first --data shapes --labels 10%",
    )
    parser.add_argument("--labels", metavar="SHARE", default="100%", help="share of each class; default: 100%%")
    parser.add_argument("--scratch", action="store_true", help="the same network from random weights, to compare with")
    _trains(parser)


def _segmentation(protocol: Protocol) -> None:
    parser = protocol(
        "segmentation",
        "a linear classifier of each pixel on frozen feature maps; mIoU on the test images",
        "graphssl eval segmentation runs/first --data path/to/images-and-masks",
    )
    features(parser)
    parser.add_argument(
        "--size", type=int, metavar="PIXELS", help="size of the views, of a ConvNet; default: the run's"
    )
    _trains(parser)


def _localisation(protocol: Protocol) -> None:
    parser = protocol(
        "localisation",
        "one box per image found without training, against known boxes",
        "graphssl eval localisation runs/first --data shapes_single",
    )
    parser.add_argument("--how", choices=["lost", "attention"], default="lost",
                        help="similarities of the feature map (LOST), or attention of the class token")  # fmt: skip
    features(parser)
    parser.add_argument("--size", type=int, metavar="PIXELS", help="size of the images; default: the run's")
