"""The model card of a run: what it is, how it was trained, what it reaches and how to load it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from graphssl import __version__
from graphssl.export.plain import Plain


def card(encoder: Plain) -> str:
    """README.md with the front matter that the Hub reads. The license is left to whoever publishes it."""
    source = encoder.source
    graph, summary = source.graph, source.folder.summary()
    tags = ["timm", "image-feature-extraction", "self-supervised-learning", "graphssl", graph.name]
    front = [
        "---",
        "library_name: timm",
        "pipeline_tag: image-feature-extraction",
        "tags:",
        *(f"- {t}" for t in tags),
        "---",
    ]
    steps = summary.get("steps")
    data = summary.get("data")
    parts = [
        "\n".join(front),
        f"# {encoder.arch} pre-trained with {graph.name}",
        f"Features of {source.encoder.backbone.num_features} numbers for images of {source.encoder.size} px, learned without labels. "
        "No license is given here: add `license:` above before this is published.",
        "## Use",
        f"```python\n{_loading(encoder)}\n```",
        "\n".join(f"- {remark[0].upper()}{remark[1:]}." for remark in encoder.remarks()),
        "Images are resized and normalised as `pretrained_cfg` in `config.json` says.",
        "## Training",
        "\n".join(
            f"- {line}"
            for line in (
                f"method: `{graph.name}`, {graph.title}{_paper(encoder)}, in [method.yaml](method.yaml)",
                f"data: `{_name(data)}`" if data else "",
                f"length: {steps} steps, {summary['epochs']:g} epochs" if steps and "epochs" in summary else "",
                *_recipe(encoder),
                f"weights of `{summary['imported']['file']}` ({summary['imported']['layout']})"
                if "imported" in summary
                else "",
            )
            if line
        ),
        "![the method](method.svg)",
        "## Evaluation",
        "\n".join(_evaluations(summary.get("evaluations", {}))) or "None is recorded.",
        f"Made by graphssl {__version__}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _loading(encoder: Plain) -> str:
    if encoder.by_name:
        return 'import timm\n\nmodel = timm.create_model("local-dir:PATH", pretrained=True)  # timm 1.0.16 or later; "hf-hub:OWNER/NAME" once it is there'
    return encoder.code("model.safetensors")


def _paper(encoder: Plain) -> str:
    tree = encoder.source.method.tree
    paper = tree.get("paper") if tree else None
    return f" ({value})" if (value := getattr(paper, "value", None)) else ""


def _recipe(encoder: Plain) -> Iterator[str]:
    train = encoder.source.graph.train
    if train:
        yield f"optimizer: {train.optimizer}, peak learning rate {train.peak_lr():g}, {train.batch_size} images a step"


def _evaluations(evaluations: Mapping[str, Any]) -> Iterator[str]:
    """A row for each result: its first number, and everything it depends on."""
    rows = []
    for name, result in evaluations.items():
        plain = {key: value for key, value in result.items() if isinstance(value, str | int | float)}
        settings = ", ".join(
            f"{key} {_name(value) if key == 'data' else _number(value)}" for key, value in plain.items()
        )
        rows.append(f"| {name} | {settings.replace('|', '/')} |")
    if rows:
        yield from ("| protocol | result and settings |", "|---|---|", *rows)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _name(data: Any) -> str:
    """The last part of where the data lies: a card need not tell folders of a machine."""
    return str(data).rstrip("/").rpartition("/")[2] or json.dumps(data)
