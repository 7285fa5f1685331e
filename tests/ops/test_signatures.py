"""Every op documents itself, and defaults are written once."""

from __future__ import annotations

import inspect

import pytest

from graphssl.ir.signature import Op
from graphssl.language.fields import REQUIRED
from graphssl.ops import OPS, registry


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_documents_its_ports_and_attributes(op: type[Op]) -> None:
    assert len(op.doc()) > 40
    assert all(port.doc for port in (*op.inputs.values(), *op.outputs.values()))
    assert all(field.doc for field in op.attrs.values())


@pytest.mark.parametrize("op", [op for op in OPS if op.kind in ("loss", "state", "module") or op.name == "augment"],
                         ids=lambda op: op.name)  # fmt: skip
def test_ops_taken_from_a_paper_say_where_they_differ(op: type[Op]) -> None:
    assert "Differs:" in op.doc()


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_defaults_of_the_torch_side_equal_the_signature(op: type[Op]) -> None:
    """A function of ours may repeat a default so that ejected code stays short; it must be the same one."""
    functions = []
    for getter in (op.build, op.function):
        try:
            functions.append(getter())
        except NotImplementedError:
            continue
    for function in functions:
        for name, parameter in inspect.signature(function).parameters.items():
            if name in op.attrs and parameter.default is not inspect.Parameter.empty:
                assert op.attrs[name].default is not REQUIRED
                assert parameter.default == op.attrs[name].default, name


def test_names_are_unique_and_the_registry_holds_the_table() -> None:
    assert len({op.name for op in OPS}) == len(OPS)
    assert set(registry()) >= {op.name for op in OPS}
