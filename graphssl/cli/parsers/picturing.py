"""Commands that show what a run became: pictures of what its network sees, its report, and runs beside each other."""

from __future__ import annotations

import argparse

from graphssl.cli.parsers.shared import Add


def picturing(add: Add) -> None:
    command = add(
        "pca",
        "pictures:pca",
        "patch features of images as colours: foreground by the first principal component, then the next three",
        "graphssl pca runs/first photos/ -o pca.png\n         graphssl pca runs/first photos/ --random -o before.png",
    )
    _of_photos(command)
    command.add_argument("--invert", action="store_true", help="take the other side for the foreground")
    command.add_argument("--no-foreground", action="store_true", help="colours of all cells, nothing is left black")

    command = add(
        "attention",
        "pictures:attention",
        "where the class token of a transformer looks in its last block, head by head",
        "graphssl attention runs/dino photos/ -o attention.png",
    )
    _of_photos(command)


def _of_photos(command: argparse.ArgumentParser) -> None:
    _run(command)
    command.add_argument("images", metavar="IMAGE", nargs="+", help="image, or folder of images")
    _out(command)
    command.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="of the images as the network sees them; default: a multiple of the training size that gives at least 28 cells a side",
    )


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("--random", action="store_true", help="the network before training, to compare with")
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps; default: cpu")
    command.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")


def _out(command: argparse.ArgumentParser, formats: str = "FILE.png, .jpg, .webp or .html") -> None:
    command.add_argument("-o", "--out", metavar="FILE", required=True, help=formats)
