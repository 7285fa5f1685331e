"""Commands that show what a run became: pictures of what its network sees, its report, and runs beside each other."""

from __future__ import annotations

import argparse

from graphssl.cli.parsers.shared import DATA, Add, plugin


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

    command = add(
        "neighbours",
        "pictures:neighbours",
        "test images and the training images that are nearest to them, by cosine similarity of features",
        "graphssl neighbours runs/first --data shapes -o neighbours.png",
    )
    _of_data(command)
    _out(command)
    command.add_argument(
        "--queries", type=int, default=8, metavar="N", help="test images, as many of each class; default: 8"
    )
    command.add_argument("--k", type=int, default=8, metavar="K", help="neighbours of each; default: 8")

    command = add(
        "project",
        "pictures:project",
        "features of test images in the plane, coloured by class",
        "graphssl project runs/first --data shapes --by tsne -o features.html",
    )
    _of_data(command)
    _out(command, "FILE.html (shows the image under the pointer), .svg or .png")
    command.add_argument("--by", choices=["tsne", "umap", "pca"], default="tsne", help="default: tsne")
    command.add_argument("--images", type=int, default=2000, metavar="N", help="test images, at most; default: 2000")
    command.add_argument("--seed", type=int, default=0, help="chooses images and where they begin; default: 0")

    command = add(
        "report",
        "report:report",
        "everything about a run as one page that needs no network",
        "graphssl report runs/first --data shapes",
    )
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("-o", "--out", metavar="FILE.html", default="report.html", help="default: report.html")
    command.add_argument("--data", metavar="DATA", help=f"with pictures of its test images: {DATA}")
    command.add_argument(
        "--images", metavar="IMAGE", nargs="+", default=[], help="PCA and attention of these, images or folders"
    )
    _device(command)
    _plugin(command)

    command = add(
        "compare",
        "report:compare",
        "runs beside each other: a table, curves, and what differs in their methods",
        "graphssl compare runs/first runs/second -o both.html",
    )
    _runs(command)
    command.add_argument("-o", "--out", metavar="FILE.html", help="write a page instead of printing")
    command.add_argument("--format", choices=["text", "json"], default="text")

    command = add(
        "curves",
        "report:curves",
        "training curves of runs over each other",
        "graphssl curves runs/first runs/second -o curves.svg",
    )
    _runs(command)
    _out(command, "FILE.svg or .png")


def _runs(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", metavar="RUN", nargs="+", help="run folder")
    _plugin(command)


def _of_data(command: argparse.ArgumentParser) -> None:
    _run(command)
    command.add_argument("--data", metavar="DATA", required=True, help=DATA)


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
    _device(command)
    _plugin(command)


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps; default: cpu")


def _out(command: argparse.ArgumentParser, formats: str = "FILE.png, .jpg, .webp or .html") -> None:
    command.add_argument("-o", "--out", metavar="FILE", required=True, help=formats)


def _plugin(command: argparse.ArgumentParser) -> None:
    plugin(command)
