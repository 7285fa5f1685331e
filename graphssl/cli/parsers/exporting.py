"""Commands that hand an encoder to other tools, and take one from them."""

from __future__ import annotations

from graphssl.cli.parsers.shared import METHOD, Add, plugin

FORMATS = ("timm", "safetensors", "onnx", "torch", "torchvision")
AUTHORS = ("moco_v1", "moco_v2", "moco_v3", "dino", "ibot", "dinov2", "dinov2_backbone")


def exporting(add: Add) -> None:
    command = add(
        "export",
        "export:export",
        "write the encoder of a run for other tools",
        "graphssl export runs/first -o encoder.pth --format timm\n"
        "         graphssl export runs/first -o folder --format safetensors",
    )
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("-o", dest="out", metavar="PATH", required=True, help="file, or folder for safetensors")
    command.add_argument(
        "--format",
        choices=[*FORMATS, *AUTHORS],
        required=True,
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)}; or a checkpoint as the authors' own scripts read it: {', '.join(AUTHORS)}",
    )
    command.add_argument("--force", action="store_true", help="write over what is there")
    command.add_argument(
        "--push", metavar="REPO", help="also upload the folder of --format safetensors to the Hugging Face Hub"
    )
    plugin(command)

    command = add(
        "import",
        "export:import_",
        "make a run folder of a checkpoint that others released",
        "graphssl import dino_deitsmall16_pretrain.pth --as dino -o runs/dino_s16",
    )
    command.add_argument("file", metavar="FILE", help=".pth, .pth.tar, .pt, .ckpt, .bin or .safetensors")
    command.add_argument("--as", dest="method", metavar="METHOD", required=True, help=METHOD)
    command.add_argument("-o", dest="out", metavar="RUN", required=True, help="run folder, new")
    command.add_argument(
        "--set", metavar="PATH=VALUE", action="append", default=[], help="override a value of the file"
    )
    plugin(command)
