"""What `precision` means on a device."""

from __future__ import annotations

import pytest
import torch

from graphssl.runtime.precision import precision_on


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
