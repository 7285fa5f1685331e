from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from graphssl.data.operations import OPERATIONS
from graphssl.data.steps import NORMALIZATIONS, SHORTHANDS, STEP_DOCS, STEPS, fill_defaults

RECIPES = Path(__file__).parents[2] / "graphs" / "recipes"


def test_the_table_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, graphssl.data.steps; assert not {'torch', 'numpy'} & set(sys.modules), 'heavy import'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_step_is_documented_and_implemented() -> None:
    assert set(STEPS) == set(STEP_DOCS) == set(OPERATIONS)


@pytest.mark.parametrize("step", STEPS)
def test_defaults_satisfy_their_own_schema(step: str) -> None:
    for name, param in STEPS[step].items():
        jsonschema.Draft202012Validator.check_schema(param.schema)
        jsonschema.validate(param.default, param.schema)
        assert param.doc.endswith(".") and "\n" not in param.doc, name
        assert param.expected and not param.expected.endswith("."), name


@pytest.mark.parametrize(
    ("step", "name", "value"),
    [
        ("flip", "p", 1.5),
        ("crop", "scale", [0.08]),
        ("crop", "scale", [0, 1]),
        ("crop", "method", "tf"),
        ("jitter", "hue", 0.6),
        ("jitter", "brightness", -1),
        ("blur", "kernel", 4),
        ("blur", "kernel", "10"),
        ("blur", "sigma", [0, 1]),
        ("resize", "size", 0),
        ("normalize", "std", [1, 1, 0]),
        ("pad_crop", "padding", 1.5),
    ],
)
def test_wrong_values_are_refused_by_the_schema(step: str, name: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, STEPS[step][name].schema)


def test_defaults_fill_what_was_not_written() -> None:
    assert fill_defaults("flip", None) == {"p": 0.5}
    assert fill_defaults("blur", {"p": 0.1}) == {"sigma": [0.1, 2.0], "kernel": "10%", "p": 0.1}
    assert fill_defaults("normalize", "cifar10") == NORMALIZATIONS["cifar10"]
    for step in STEPS:
        filled = fill_defaults(step, {})
        assert list(filled) == list(STEPS[step]) and fill_defaults(step, filled) == filled
    with pytest.raises(KeyError, match="has no parameter `prob`"):
        fill_defaults("flip", {"prob": 1})


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_use_legal_steps_and_values(path: Path) -> None:
    for step, value in yaml.safe_load(path.read_text(encoding="utf-8"))["steps"].items():
        if isinstance(value, str):
            assert value in SHORTHANDS[step]
            continue
        for name, written in value.items():
            jsonschema.validate(written, STEPS[step][name].schema)
