"""A broken or hostile file is refused quickly, whatever it expands to."""

from __future__ import annotations

import time

import pytest

import graphssl

HEAD = "graphssl: 1\nname: m\n"


def bomb_of_aliases() -> str:
    lines = ["a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    return HEAD + "\n".join(lines) + "\n"


def bomb_of_params(value: str) -> str:
    lines = [f"  p{i}: {value.replace('X', f'p{i + 1}')}" for i in range(40)]
    return f"{HEAD}params:\n" + "\n".join(lines) + '\n  p40: "word"\nnodes: {f: {op: "${p0}"}}\n'


def bomb_of_blocks() -> str:
    inner = ", ".join(f"n{i}: {{op: label}}" for i in range(1000))
    nodes = "\n".join(f"  i{i}: {{block: b}}" for i in range(1000))
    return f"{HEAD}blocks: {{b: {{nodes: {{{inner}}}, out: n0}}}}\nnodes:\n{nodes}\n"


def chain(count: int, line: str) -> str:
    return (
        HEAD + "nodes:\n" + "\n".join(line.replace("I", str(i)).replace("J", str(i + 1)) for i in range(count)) + "\n"
    )


def bomb_of_block_values() -> str:
    nodes = "\n".join(f"  i{i}: {{block: b}}" for i in range(1500))
    wide = ", ".join(["v"] * 5000)
    inner = '{n: {op: concat, in: "${x}"}}'
    return f"{HEAD}blocks: {{b: {{params: {{x: [{wide}]}}, nodes: {inner}, out: n}}}}\nnodes:\n{nodes}\n"


CASES = {
    "aliases": (bomb_of_aliases(), "too-many-values"),
    "long texts": (bomb_of_params('"${X}${X}"'), "too-many-values"),
    "wide lists": (bomb_of_params('["${X}", "${X}", "${X}"]'), "too-many-values"),
    "deep lists": (bomb_of_params('["${X}"]'), "too-deep"),
    "blocks": (bomb_of_blocks(), "too-many-nodes"),
    "values of blocks": (bomb_of_block_values(), "too-many-values"),
    "nodes": (chain(3000, "  nI: {op: label}"), "too-many-nodes"),
    "deep maps": (HEAD + "a: " + "{a: " * 5000 + "1" + "}" * 5000 + "\n", "too-deep"),
    "like": (chain(1500, "  nI: {op: augment, size: 8, like: nJ}"), "too-deep"),
    "circle of like": (chain(30, "  nI: {op: augment, size: 8, like: nJ}").replace("n30", "n0"), "like-cycle"),
    "many params": (
        HEAD + "params:\n" + "\n".join(f'  p{i}: "${{p{i + 1}}}"' for i in range(5000)) + "\n  p5000: 1\nnodes: {}\n",
        "missing-key",
    ),
    "long loop": (chain(1400, "  nI: {op: l2_normalize, in: nJ}").replace("n1400", "n0"), "loop"),
    "long circle of links": (chain(1400, "  nI: {op: share, of: nJ, in: v}").replace("n1400", "n0"), "link-cycle"),
    "many variants": (
        HEAD + "variants:\n" + "\n".join(f"  v{i}: {{extends: v{i + 1}}}" for i in range(2000)) + "\n",
        "too-many-values",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_bomb_is_refused_in_a_second(name: str) -> None:
    yaml, code = CASES[name]
    begun = time.process_time()
    findings = graphssl.load(yaml).static
    assert code in {finding.code for finding in findings}
    assert time.process_time() - begun < 2.5  # one second on an idle machine


def test_long_chains_of_variants_end(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "m.yaml"
    path.write_text(CASES["many variants"][0])
    assert [f.code for f in graphssl.load(f"{path}@v0").static] == ["extends-cycle"]


def test_a_file_longer_than_a_megabyte_is_not_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "m.yaml"
    path.write_text("# " + "x" * 2_000_000)
    assert [f.code for f in graphssl.load(str(path)).static] == ["file-too-large"]


def test_a_graph_of_the_largest_size_is_checked() -> None:
    nodes = [f"  n{i}: {{op: l2_normalize, in: n{i - 1}}}" for i in range(1, 1400)]
    yaml = (
        HEAD
        + "nodes:\n  v: {op: augment, recipe: quick, size: 8, count: 2}\n  n0: {op: encoder, in: v, arch: resnet18}\n"
    )
    yaml += "\n".join(nodes) + "\n  loss: {op: nt_xent, in: n1399}\nrepresent: n1399\n"
    assert {f.code for f in graphssl.load(yaml).static} == {"no-train", "local-negatives"}
