"""`graphssl shard DATA`."""

from __future__ import annotations

from graphssl.cli.parsers.shared import DATA, Add


def sharding(add: Add) -> None:
    command = add(
        "shard",
        "shard:shard",
        "write WebDataset shards of any images, encoded as they are; a killed one goes on where it was",
        "graphssl shard photos -o shards/train\n"
        "         graphssl shard imagenet -o shards/test --split test\n"
        "         graphssl train simclr --data 'wds:shards/{split}' --out runs/a",
    )
    command.add_argument("data", metavar="DATA", help=DATA)
    command.add_argument(
        "-o", "--out", metavar="FOLDER", required=True, help="where shard-000000.tar, … and index.json go"
    )
    command.add_argument("--split", choices=["train", "test"], default="train", help="default: train")
    command.add_argument("--images", type=int, metavar="N", help="images of a shard, instead of --size-mb")
    command.add_argument("--size-mb", type=float, default=256, metavar="MB",
                         help="about so large is a shard, which has at most 10,000 images; default: 256")  # fmt: skip
    order = command.add_mutually_exclusive_group()
    order.add_argument("--shuffle", type=int, default=0, metavar="SEED", help="of the order of images; default: 0")
    order.add_argument("--no-shuffle", action="store_true", help="keep the order of DATA")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes that write")
    command.add_argument("--format", choices=["text", "json"], default="text")
