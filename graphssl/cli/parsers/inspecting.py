"""Commands about methods, which need no images."""

from __future__ import annotations

from graphssl.cli.parsers.shared import METHOD, Add, method, plugin


def inspecting(add: Add) -> None:
    command = add("list", "inspect:list_", "list methods with their variants, ops and recipes", "graphssl list")
    command.add_argument("--format", choices=["text", "json"], default="text")

    command = add("new", "inspect:new", "write a commented starter file", "graphssl new my_method --from byol")
    command.add_argument("name", metavar="NAME", help="name of the new method; NAME.yaml is written here")
    command.add_argument("--from", dest="base", metavar="METHOD", help="start from this bundled method")

    command = add(
        "check",
        "check:check",
        "find what is wrong with methods",
        "graphssl check byol my_method.yaml\n         graphssl check dinov2 --launch fsdp.yaml",
    )
    method(command, many=True)
    command.add_argument("--static", action="store_true", help="leave out the dry run (fast, no torch)")
    command.add_argument(
        "--launch", metavar="CONFIG", help="also what would go wrong under this config of `accelerate launch`"
    )
    command.add_argument("--format", choices=["text", "json", "github", "sarif"], default="text")

    command = add("explain", "check:explain", "explain the code of a finding", "graphssl explain width-mismatch")
    command.add_argument("code", metavar="CODE", nargs="?", help="the code in [brackets]; none: list all")

    command = add(
        "resolve",
        "inspect:resolve",
        "print the flat file, each value with where it was set",
        "graphssl resolve byol@cifar10",
    )
    method(command)

    command = add(
        "show",
        "inspect:show",
        "show nodes, parameters, state, FLOPs, groups and schedules",
        "graphssl show byol@cifar10",
    )
    method(command)
    command.add_argument("--format", choices=["text", "json"], default="text")

    command = add(
        "viz",
        "viz:viz",
        "draw a method, or what a run of it measured",
        "graphssl viz byol -o byol.html\n         graphssl viz --run runs/first -o first.svg --measure rank",
    )
    method(command, optional=True)
    command.add_argument(
        "-o", "--out", metavar="FILE", required=True, help="FILE.html, .svg, .png, .mmd, .dot or .json"
    )
    command.add_argument("--sizes", action="store_true", help="write parameters and widths of the built model (slower)")
    command.add_argument("--with-errors", action="store_true", help="draw what is understood, and what is wrong in red")
    command.add_argument(
        "--collapse", metavar="BLOCK", nargs="*", help="draw these blocks as one box each; without a name: all of them"
    )
    command.add_argument(
        "--run",
        dest="run_folder",
        metavar="RUN",
        help="colour nodes and edges by what this run measured; METHOD may be left out",
    )
    command.add_argument(
        "--measure", metavar="NAME", help="std (default), rank, rank_share, grad_norm, ema_distance, age, …"
    )
    command.add_argument("--step", type=int, metavar="N", help="the measurement at this step; default: the last")

    command = add(
        "diff",
        "diff:diff",
        "say what turns one method into another",
        "graphssl diff byol simsiam\n         graphssl diff byol simsiam -o byol_simsiam.html",
    )
    command.add_argument("a", metavar="A", help=f"a method: {METHOD}")
    command.add_argument("b", metavar="B", help="the method it is compared with, likewise")
    plugin(command)
    command.add_argument(
        "-o", "--out", metavar="FILE", help="draw both in one: FILE.html (also side by side), .svg, .png, …"
    )
    command.add_argument("--format", choices=["text", "json"], default="text")
    command.add_argument("--exit-code", action="store_true", help="exit with 1 when they differ; default: 0")

    command = add(
        "eject", "inspect:eject", "write the PyTorch that a method compiles to", "graphssl eject byol -o byol.py"
    )
    method(command)
    command.add_argument("-o", "--out", metavar="FILE", help="default: standard output")

    command = add(
        "schema", "inspect:schema", "print the JSON Schema of graph files", "graphssl schema -o graph.schema.json"
    )
    command.add_argument("-o", "--out", metavar="FILE", help="default: standard output")
    command.add_argument(
        "--kind", choices=["method", "curation"], default="method", help="of which files; default: method"
    )
    command.add_argument("--for", dest="method", metavar="METHOD", help="with this method's node and variant names")
    plugin(command)
