"""`graphssl embed RUN`."""

from __future__ import annotations

from graphssl.cli.parsers.shared import Add, features, on_data


def embedding(add: Add) -> None:
    command = add(
        "embed",
        "embed:embed",
        "write the features of all images to a file or folder; a killed one goes on where it was",
        "graphssl embed runs/first --data photos -o features.parquet\n"
        "         torchrun --nproc_per_node 2 -m graphssl embed runs/first --data IMAGENET -o features",
    )
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    on_data(command)
    command.add_argument("-o", "--out", metavar="FILE|FOLDER", required=True,
                         help="FILE.parquet, or a folder of .npy shards with an index")  # fmt: skip
    command.add_argument("--split", choices=["train", "test", "all"], default="all", help="default: all that are there")
    features(command)
    command.add_argument("--shard-images", type=int, metavar="N", help="images of a shard; default: 256 to 8192")
