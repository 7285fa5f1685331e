"""Protocols of `graphssl eval` that take frozen features and train no network."""

from __future__ import annotations

import argparse

from graphssl.cli.parsers.shared import Protocol, features


def _frozen(parser: argparse.ArgumentParser) -> None:
    """Of all of them."""
    features(parser, pixels=True)
    parser.add_argument("--images", type=int, metavar="N", help="so many training images, as many of each class")
    parser.add_argument("--no-cache", action="store_true", help="neither read nor keep features in RUN/features")


def knn(protocol: Protocol) -> None:
    parser = protocol("knn", "weighted k-nearest neighbours", "graphssl eval knn runs/first --data shapes", "frozen")
    parser.add_argument("--k", type=int, help="neighbours; default: 20")
    parser.add_argument("--temperature", type=float, help="of the vote; default: 0.07")
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="the k and temperature that are best on a held-out tenth of the training images, and a table of all",
    )
    _frozen(parser)


def logistic(protocol: Protocol) -> None:
    parser = protocol(
        "logistic",
        "logistic regression, its penalty chosen on held-out training images",
        "graphssl eval logistic runs/first --data shapes",
        "frozen",
    )
    parser.add_argument(
        "--grid",
        choices=["short", "dinov2"],
        default="short",
        help="values of C: the 12 powers of ten from 1e-6 to 1e5, or DINOv2's 45 there; default: short",
    )
    parser.add_argument(
        "--scale",
        choices=["standard", "length", "none"],
        default="standard",
        help="features before: mean 0 and deviation 1 each, length 1 together, or as they are; default: standard",
    )
    parser.add_argument("--max-iter", type=int, default=1000, metavar="N", help="of L-BFGS; default: 1000")
    _frozen(parser)


def few_shot(protocol: Protocol) -> None:
    parser = protocol(
        "few-shot",
        "a few labelled images of each class: nearest class mean and logistic regression",
        "graphssl eval few-shot runs/first --data shapes --shots 1,5 --draws 10",
        "frozen",
    )
    parser.add_argument("--shots", default="1,2,5,10", metavar="N,N", help="images of each class; default: 1,2,5,10")
    parser.add_argument("--draws", type=int, default=5, metavar="N", help="of these images; default: 5")
    _frozen(parser)


def retrieval(protocol: Protocol) -> None:
    parser = protocol(
        "retrieval",
        "test images find training images of their class: mAP, precision at k, recall at 1",
        "graphssl eval retrieval runs/first --data shapes",
        "frozen",
    )
    parser.add_argument("--k", type=int, default=10, help="of precision at k; default: 10")
    _frozen(parser)
