"""Commands that look at methods without training: list, new, resolve, show, eject, schema."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from graphssl.bundled import curation_files, method_files, recipe_files
from graphssl.cli.failures import UsageError
from graphssl.cli.loading import loaded
from graphssl.cli.saving import saving
from graphssl.curate.curation import load as load_curation
from graphssl.curate.stages import stages
from graphssl.language.diagnostics import GraphError, has_errors, render_text
from graphssl.language.resolve import dump, locate, variants_of
from graphssl.ops import registry
from graphssl.pipeline import load


def list_(arguments: argparse.Namespace) -> int:
    """Bundled methods with their variants, ops, augmentation recipes, and curations with their stages."""
    methods = {name: _facts(name) for name in method_files()}
    ops = {name: {"kind": op.kind, "doc": op.doc().partition("\n")[0]} for name, op in registry().items()}
    recipes = list(recipe_files())
    curations = {name: load_curation(name).title for name in curation_files()}
    choosing = {name: stage.doc().partition("\n")[0] for name, stage in stages().items()}
    if arguments.format == "json":
        found = {"methods": methods, "ops": ops, "recipes": recipes, "curations": curations, "stages": choosing}
        print(json.dumps(found, indent=2))
        return 0
    print("methods")
    for name, facts in methods.items():
        variants = f"  (@{', @'.join(facts['variants'])})" if facts["variants"] else ""
        print(f"  {name:<12} {facts['title']}{variants}")
    for kind in ("source", "module", "link", "pure", "state", "loss"):
        print(f"\nops: {kind}")
        for name, facts in ops.items():
            if facts["kind"] == kind:
                print(f"  {name:<14} {facts['doc']}")
    print(f"\nrecipes\n  {', '.join(recipes)}")
    for title, table in (("curations", curations), ("stages of curations", choosing)):
        print(f"\n{title}")
        for name, words in table.items():
            print(f"  {name:<20} {words}")
    return 0


def _facts(name: str) -> dict[str, Any]:
    spec = load(name).spec
    return {"title": spec.title if spec else "", "variants": variants_of(locate(name)[0])}


_STARTER = """\
# yaml-language-server: $schema=https://json-schema.org/draft/2020-12/schema
# What this method does, in one sentence. Check it with: graphssl check {file}
graphssl: 1
name: {name}
title: {name}

nodes:
  # two differently augmented views of each image (see `graphssl list` for recipes)
  v1: {{op: augment, recipe: quick, size: 32}}
  v2: {{op: augment, recipe: quick, size: 32}}

  # one encoder, called on both views; `batch: joint` lets BatchNorm see both together
  f: {{op: encoder, in: [v1, v2], arch: resnet18, args: {{channels: [16, 32, 64, 128]}}, batch: joint}}
  g: {{op: projector, in: f, dims: [256, 64], batch: joint}}
  z: {{op: gather, in: g}}

  # every other image of the batch is a negative
  loss: {{op: nt_xent, in: z, temperature: 0.2}}

represent: f                       # what evaluation and export take
train:
  optimizer: adamw
  lr: {{base: 2.0e-3, per: 256, warmup: 1ep}}
  weight_decay: 1.0e-4
  epochs: 10
  batch_size: 256
"""


def new(arguments: argparse.Namespace) -> int:
    """Write NAME.yaml, a starter, or one that extends a bundled method."""
    name = arguments.name.removesuffix(".yaml")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise UsageError(f"`{name}` is no name for a method: use letters, digits and `_`")
    path = Path(f"{name}.yaml")
    if path.exists():
        raise UsageError(f"`{path}` exists: choose another name, or delete it first")
    text = _STARTER.format(name=name, file=path)
    if arguments.base:
        base = load(arguments.base)
        if base.spec is None:
            raise GraphError(base.static)
        nodes = "\n".join(f"#   {node.name}: {{op: {node.op}, …}}" for node in base.spec.nodes)
        text = (
            f"# {name}: {arguments.base} with a change. `graphssl resolve {path}` shows the whole.\n"
            f"graphssl: 1\nextends: {arguments.base}\nname: {name}\ntitle: {name}\n\n"
            f"# The nodes of {arguments.base}; write the keys you change under `nodes:`, `NODE: null` deletes one.\n{nodes}\n"
        )
    text = text.replace("# yaml-language-server: $schema=https://json-schema.org/draft/2020-12/schema\n", "")
    path.write_text(text)
    print(f"wrote {path}; next: graphssl check {path}", file=sys.stderr)
    return 0


def resolve(arguments: argparse.Namespace) -> int:
    """The flat file with the origin of each value."""
    method = loaded(arguments.method, arguments)
    if method.tree is None:
        raise GraphError(method.static)
    print(dump(method.tree, origins=True), end="")
    if method.static:
        print(f"\n{render_text(method.static)}", file=sys.stderr)
    return int(has_errors(method.static))


def show(arguments: argparse.Namespace) -> int:
    """Tables of nodes, groups and schedules, or the same as JSON."""
    method = load(arguments.method, arguments.set, plugins=arguments.plugin)
    if has_errors(method.findings):
        raise GraphError(method.findings)
    if arguments.format == "json":
        from graphssl.cli.facts import method_facts

        print(json.dumps(method_facts(method.checked_graph()), indent=2))
        return 0
    from graphssl.cli.table import method_table

    method_table(method)
    return 0


def eject(arguments: argparse.Namespace) -> int:
    """The generated PyTorch."""
    method = load(arguments.method, arguments.set, plugins=arguments.plugin)
    if has_errors(method.findings):
        raise GraphError(method.findings)
    from graphssl.compiler.eject import eject as ejected
    from graphssl.passes import optimize

    return _write(ejected(optimize(method.checked_graph())), arguments.out)


def schema(arguments: argparse.Namespace) -> int:
    """The JSON Schema of the language."""
    from graphssl.schema import curation_schema, graph_schema

    plugins = tuple(arguments.plugin)
    if arguments.kind == "curation":
        found = curation_schema(stages(plugins))
    else:
        found = graph_schema(registry(plugins), load(arguments.method) if arguments.method else None)
    return _write(json.dumps(found, indent=2) + "\n", arguments.out)


def _write(text: str, out: str | None) -> int:
    if out is None:
        print(text, end="")
        return 0
    with saving(out):
        Path(out).write_text(text, encoding="utf-8")
    return 0
