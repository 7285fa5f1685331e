"""All bundled methods: what every recipe must hold. The details of each family are in the other files of this folder."""

from __future__ import annotations

import graphssl


def test_every_bundled_method_and_variant_checks_without_error() -> None:
    from graphssl.bundled import method_files
    from graphssl.language.resolve import locate, variants_of

    for name in method_files():
        for variant in ["", *(f"@{v}" for v in variants_of(locate(name)[0]))]:
            found = graphssl.check(f"{name}{variant}", static=True)
            assert not [f for f in found if f.severity == "error"], f"{name}{variant}: {found}"
