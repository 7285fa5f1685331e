"""What could execute something is called in named places only, each with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import graphssl

PACKAGE = Path(graphssl.__file__).parent

DANGEROUS = {
    "eval", "exec", "compile", "__import__", "execfile", "breakpoint",
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "codeop", "runpy", "ctypes", "cffi",
    "subprocess", "pty", "pexpect",
    "os.system", "os.popen", "os.spawn", "os.exec", "os.fork", "os.posix_spawn", "os.startfile",
    "yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader",
    "torch.load", "torch.jit.load", "torch.hub", "numpy.load", "np.load", "pandas.read_pickle",
    "importlib.import_module", "timm.create_model", "entry_points", "webbrowser", "tempfile.mktemp", "shell",
}  # fmt: skip
"""Names of modules and functions; one with a dot also where it is imported by its last part. `shell`: an argument."""

ALLOWED: dict[tuple[str, str], str] = {
    ("compiler/build.py", "exec"): "the generated source is how a graph is executed; every text of a file in it is a literal",
    ("compiler/build.py", "compile"): "gives that source a file name, so that errors have places",
    ("compiler/eject.py", "importlib.import_module"): "modules that our own helpers import, to copy them; no name comes from a file",
    ("ir/plugins.py", "importlib.import_module"): "plugins that a person names on the command line are code by design",
    ("ops/__init__.py", "entry_points"): "plugins that a person installed are code by design",
    ("cli/parsers/shared.py", "importlib.import_module"): "our own commands, imported when they are called",
    ("__init__.py", "importlib.import_module"): "our own modules, imported when they are used",
    ("ops/modules/encoder.py", "timm.create_model"): "the encoder; the schema of `args` leaves out what loads weights, and weights come from timm's own list",
    ("runtime/released/file.py", "pickle"): "the name of the error of torch's restricted unpickler",
    ("runtime/released/file.py", "torch.load"): "checkpoints of others are pickles: with `weights_only`, and one more class, argparse.Namespace",
    ("export/plain.py", "timm.create_model"): "the encoder again, by the arguments that `args` of a checked graph may have",
    ("evaluate/embedding.py", "np.load"): "shards of numbers, with `allow_pickle=False`",
    ("curate/arrays.py", "np.load"): "numbers of a curation's stages, with `allow_pickle=False`",
    ("export/hub.py", "timm.create_model"): "loads the folder that was just written",
    ("data/shards/fetch.py", "subprocess"): "`--data wds:pipe:COMMAND` is a command that a person wrote; manifests and indices run none",
    ("data/shards/fetch.py", "shell"): "likewise, a command of the shell as in webdataset",
    ("cli/watch.py", "webbrowser"): "`watch --open` opens the address that this program printed",
}  # fmt: skip


def calls(file: Path) -> Iterator[str]:
    """Every dangerous thing that a file names, as it stands in DANGEROUS."""
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("graphssl"):
            continue  # ours, which is searched itself
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [alias.name for alias in node.names]
            names += [node.module or ""]
        elif isinstance(node, ast.Call):
            names = [ast.unparse(node.func)]
            names += ["shell" for keyword in node.keywords if keyword.arg == "shell"]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        for name in names:
            yield from (
                word
                for word in DANGEROUS
                if name == word or ("." in word and name.startswith(word)) or name.startswith(f"{word}.")
            )


def found() -> set[tuple[str, str]]:
    return {(file.relative_to(PACKAGE).as_posix(), name) for file in PACKAGE.rglob("*.py") for name in calls(file)}


def test_dangerous_calls_are_those_with_a_reason_and_no_others() -> None:
    assert found() == ALLOWED.keys()


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    for source in (
        "import pickle", "from pickle import loads", "import torch\ntorch.load(f)", "eval('1')", "from os import system",
        "import os\nos.execv('a', [])", "import yaml\nyaml.load(t)", "import subprocess as s", "f(shell=True)",
        "from yaml import unsafe_load", "builtins = exec('1')",
    ):  # fmt: skip
        file.write_text(source)
        assert list(calls(file)), source
