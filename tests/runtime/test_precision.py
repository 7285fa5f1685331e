"""What `precision` means on a device."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from graphssl.runtime.precision import precision_on, set_products


@pytest.mark.parametrize("written", ["fp32", "bf16", "fp16"])
def test_what_is_written_is_obeyed(written: str) -> None:
    assert precision_on(written, "cpu") == written


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"), [(False, False, "fp32"), (True, False, "bf16"), (False, True, "bf16")]
)
def test_auto_is_bf16_on_a_cpu_only_where_its_hardware_multiplies_it(
    avx512: bool, amx: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert precision_on("auto", "cpu") == expected
    assert precision_on("auto", torch.device("mps")) == "fp32"


@pytest.fixture
def products() -> Iterator[None]:
    """What torch is told about products is forgotten afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before[1:]


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    ("precision", "tf32", "matmul"), [("fp32", True, "high"), ("fp32", False, "highest"), ("bf16", True, "highest")]
)
def test_a_gpu_multiplies_an_fp32_recipe_in_tf32_unless_asked_not_to(precision: str, tf32: bool, matmul: str) -> None:
    set_products(precision, torch.device("cuda"), tf32=tf32)
    assert torch.get_float32_matmul_precision() == matmul
    assert torch.backends.cudnn.allow_tf32 is tf32 and torch.backends.cudnn.benchmark


@pytest.mark.usefixtures("products")
def test_nothing_changes_on_a_cpu() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    set_products("fp32", torch.device("cpu"), tf32=True)
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark) == before
