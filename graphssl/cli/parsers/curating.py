"""The command that makes a training set."""

from __future__ import annotations

from graphssl.cli.parsers.shared import Add, plugin


def curating(add: Add) -> None:
    command = add(
        "curate",
        "curate:curate",
        "choose images to train on out of a pool: without copies, without benchmarks, like a curated set or balanced",
        "graphssl curate lvd142m --set params.pool=crawl --set params.curated=flowers --set params.encoder=runs/a -o curated\n"
        "         accelerate launch -m graphssl curate my_curation.yaml -o curated",
    )
    command.add_argument(
        "curation", metavar="CURATION", help="bundled name (lvd142m, hierarchical) or path/to/file.yaml[@variant]"
    )
    command.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        required=True,
        help="folder for the manifest, the report and each stage's result; the same command goes on with it",
    )
    command.add_argument(
        "--set", metavar="PATH=VALUE", action="append", default=[], help="override a value of the file"
    )
    command.add_argument("--until", metavar="STAGE", help="stop when this stage is done")
    command.add_argument(
        "--skip",
        metavar="STAGE",
        action="append",
        default=[],
        help="leave a stage out: its images pass through; a retrieval gives none",
    )
    command.add_argument(
        "--allow-changed", action="store_true", help="do stages anew whose settings or images have changed"
    )
    command.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="where the work is done: this machine, or a Ray cluster (pip install graphssl[ray]); the result is the same",
    )
    command.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that search, and that load images; default: 1"
    )
    command.add_argument("--device", metavar="DEVICE", help="cpu, cuda or mps: what embeds the images")
    command.add_argument("--format", choices=["text", "json"], default="text")
    plugin(command)
