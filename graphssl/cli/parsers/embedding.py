"""`graphssl embed RUN`."""

from __future__ import annotations

from graphssl.cli.parsers.shared import DATA, Add


def embedding(add: Add) -> None:
    command = add(
        "embed",
        "embed:embed",
        "write the features of all images to a file or folder; a killed one goes on where it was",
        "graphssl embed runs/first --data photos -o features.parquet\n"
        "         torchrun --nproc_per_node 2 -m graphssl embed runs/first --data IMAGENET -o features",
    )
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("--data", metavar="DATA", required=True, help=DATA)
    command.add_argument("-o", "--out", metavar="FILE|FOLDER", required=True,
                         help="FILE.parquet, or a folder of .npy shards with an index")  # fmt: skip
    command.add_argument("--split", choices=["train", "test", "all"], default="all", help="default: all that are there")
    command.add_argument("--features", choices=["encoder", "random"], default="encoder",
                         help="the run's encoder, or the same with random weights")  # fmt: skip
    command.add_argument("--shard-images", type=int, metavar="N", help="images of a shard; default: 256 to 8192")
    command.add_argument("--format", choices=["text", "json"], default="text")
    command.add_argument("--plugin", metavar="MODULE", action="append", default=[], help="a module with more ops")
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="loader processes of each rank")
