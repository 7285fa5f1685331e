"""Hostile and malformed inputs by family, each with the code of a finding it must give (none: it is a method like others).

A case is what stands behind METHOD: YAML text, or the path of a file that is made first, and perhaps values for `--set`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = "graphssl: 1\nname: m\n"
VIEWS = "  v: {op: augment, recipe: quick, size: 8, count: 2}\n"
ENCODER = "  f: {op: encoder, in: v, arch: resnet18}\n"
LOSS = "  loss: {op: nt_xent, in: f}\n"
TRAIN = "optimizer: adamw, lr: 0.1, epochs: 1, batch_size: 4"
PLAIN = f"{HEAD}nodes:\n{VIEWS}{ENCODER}{LOSS}represent: f\ntrain: {{{TRAIN}}}\n"


@dataclass(frozen=True)
class Case:
    """One input. picture: draw it as a PNG, too. file: its bytes, or what makes the folder it lies in and gives the reference; else `text` is the reference."""

    name: str
    text: str = ""
    code: str | None = None
    overrides: Sequence[str] = ()
    file: bytes | Callable[[Path], str] | None = None
    picture: bool = False

    def reference(self, folder: Path) -> str:
        """What is given as METHOD, after its files were made in an empty folder."""
        if callable(self.file):
            return self.file(folder)
        if self.file is not None:
            (folder / "m.yaml").write_bytes(self.file)
            return str(folder / "m.yaml")
        return self.text


def nodes(*lines: str, more: str = "", head: str = HEAD) -> str:
    """A file with these lines as nodes, behind views `v` and an encoder `f`."""
    return f"{head}nodes:\n{VIEWS}{ENCODER}" + "".join(f"  {line}\n" for line in lines) + f"represent: f\n{more}"


def many(count: int, line: str, *, start: int = 0) -> list[str]:
    """The line for each number, with `#` as the number, `@` as the one before and `^` as the one behind it."""
    return [line.replace("#", str(i)).replace("@", str(i - 1)).replace("^", str(i + 1)) for i in range(start, count)]


def with_train(words: str) -> str:
    """A plain method with other values in `train`."""
    return PLAIN.replace(TRAIN, words)


def with_node(line: str) -> str:
    return nodes("loss: {op: nt_xent, in: f}", line)


def with_loss(words: str) -> str:
    return nodes(f"loss: {{op: nt_xent, in: f, {words}}}")


def with_encoder(words: str) -> str:
    return PLAIN.replace("arch: resnet18", f"arch: resnet18, {words}")


# What a file is made of


def _bytes() -> list[Case]:
    plain = PLAIN.encode()
    files: list[tuple[str, bytes, str | None]] = [
        ("nothing", b"", "empty-file"),
        ("one line break", b"\n", "empty-file"),
        ("spaces", b" " * 1000, "empty-file"),
        ("a byte-order mark alone", b"\xef\xbb\xbf", "empty-file"),
        ("a byte-order mark in front", b"\xef\xbb\xbf" + plain, None),
        ("two byte-order marks", b"\xef\xbb\xbf" * 2 + plain, None),
        ("a byte-order mark in the middle", plain.replace(b"name", b"\xef\xbb\xbfname"), "yaml-syntax"),
        ("UTF-16", PLAIN.encode("utf-16"), "not-text"),
        ("UTF-16 without mark", PLAIN.encode("utf-16-le"), "yaml-syntax"),
        ("UTF-32", PLAIN.encode("utf-32"), "not-text"),
        ("latin-1", plain + "title: Größe\n".encode("latin-1"), "not-text"),
        ("an overlong encoding", plain + b"title: \xc0\xaf\n", "not-text"),
        ("an encoded surrogate", plain + b"title: \xed\xa0\x80\n", "not-text"),
        ("beyond Unicode", plain + b"title: \xf5\x80\x80\x80\n", "not-text"),
        ("cut inside a character", plain + b"title: \xe2\x82", "not-text"),
        ("a NUL", plain.replace(b"name: m", b"name: m\0"), "yaml-syntax"),
        ("only NULs", b"\0" * 1000, "yaml-syntax"),
        ("a bell", plain + b"title: \x07\n", "yaml-syntax"),
        ("an escape sequence", plain + b"title: \x1b[2J\n", "yaml-syntax"),
        ("a delete sign", plain + b"title: \x7f\n", "yaml-syntax"),
        ("a C1 control", plain + "title: \x9b31m\n".encode(), "yaml-syntax"),
        ("a non-character", plain + "title: \ufffe\n".encode(), "yaml-syntax"),
        ("carriage returns", plain.replace(b"\n", b"\r"), None),
        ("both line breaks", plain.replace(b"\n", b"\r\n"), None),
        ("Unicode line breaks", PLAIN.replace("\n", "\u2028").encode() + b"\n", None),
        ("next-line signs", PLAIN.replace("\n", "\x85").encode() + b"\n", None),
        ("tabs", plain.replace(b"  v", b"\tv"), "yaml-syntax"),
        ("no-break spaces", PLAIN.replace(": ", ":\u00a0").encode(), "yaml-syntax"),
        ("a program", b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40, "not-text"),
        ("a pickle", b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94", "not-text"),
        ("a pickle as text", b"cos\nsystem\n(S'touch pwned'\ntR.", "not-a-map"),
        ("a zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + b"\xff" * 100, "not-text"),
        ("a gzip", b"\x1f\x8b\x08\x00" + b"\0" * 100, "not-text"),
        ("a PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not-text"),
        ("HTML", b"<!DOCTYPE html><script>alert(1)</script>\n", "not-a-map"),
        ("JSON", b'{"graphssl": 1, "name": "m", "nodes": {}}', "missing-key"),
        ("a script", b"#!/bin/sh\ntouch pwned\n", "not-a-map"),
        ("Python", b"import os\nos.system('touch pwned')\n", "not-a-map"),
        ("a megabyte and one byte", b"#" + b"x" * 1_000_000, "file-too-large"),
        ("a megabyte cut inside a character", "é".encode() * 600_000, "file-too-large"),
        ("a million line breaks", b"\n" * 999_999, "empty-file"),
        ("a million comments", b"#\n" * 499_999, "empty-file"),
    ]  # fmt: skip
    return [Case(name, file=data, code=code) for name, data, code in files]


def _yaml() -> list[Case]:
    texts: list[tuple[str, str, str | None]] = [
        ("a Python object", f"{HEAD}doc: !!python/object/apply:os.system ['touch pwned']\n", "yaml-tag"),
        ("a Python name", f"{HEAD}doc: !!python/name:os.system\n", "yaml-tag"),
        ("a Python module", f"{HEAD}doc: !!python/module:os\n", "yaml-tag"),
        ("a Python object as a key", f"{HEAD}!!python/object/new:os.system [x]: 1\n", "key-not-a-word"),
        ("a tag on the document", f"!!python/dict\n{HEAD}", "yaml-tag"),
        ("a tag on a list", f"{HEAD}doc: !!set [a]\n", "yaml-tag"),
        ("a binary tag", f"{HEAD}doc: !!binary aGVsbG8=\n", "yaml-tag"),
        ("a verbatim tag", f"{HEAD}doc: !<tag:yaml.org,2002:python/name:os> x\n", "yaml-tag"),
        ("a tag directive", f"%TAG !p! tag:yaml.org,2002:python/\n---\n{HEAD}doc: !p!name:os x\n", "yaml-tag"),
        ("sixty thousand tag directives", "".join(many(60_000, "%TAG !a#! x\n")) + f"---\n{HEAD}", "yaml-syntax"),
        ("an unknown directive", f"%RUN x\n---\n{PLAIN}", None),
        ("YAML 1.0", f"%YAML 1.0\n---\n{HEAD}", "yaml-syntax"),
        ("YAML 9.9", f"%YAML 9.9\n---\n{HEAD}", "yaml-syntax"),
        ("two documents", f"{PLAIN}---\n{PLAIN}", "several-documents"),
        ("a thousand documents", f"{HEAD}---\n" * 1000, "several-documents"),
        ("an end mark", f"{PLAIN}...\n", None),
        ("a merge key", f"{HEAD}a: &a {{x: 1}}\nb: {{<<: *a}}\n", "merge-key"),
        ("a merge key of many", f"{HEAD}a: &a {{x: 1}}\nb: {{<<: [*a, *a]}}\n", "merge-key"),
        ("an anchor inside itself", f"{HEAD}a: &a [*a]\n", "yaml-syntax"),
        ("an anchor inside itself as a map", f"{HEAD}a: &a {{b: *a}}\n", "yaml-syntax"),
        ("an alias before its anchor", f"{HEAD}a: *b\nb: &b 1\n", "yaml-syntax"),
        ("an alias as a key", f"{HEAD}a: &a b\n*a : 1\n", "key-not-a-word"),
        ("an anchor written twice", f"{PLAIN}title: &a x\ndoc: &a y\npaper: *a\n", None),
        ("a billion laughs", HEAD + "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
            f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)), "too-many-values"),
        ("a billion laughs of maps", HEAD + "a0: &a0 {x: 1, y: 2}\n" + "\n".join(
            f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}" for i in range(1, 31)), "too-many-values"),
        ("a billion laughs under `nodes`", HEAD + "doc: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\nnodes:\n" + "\n".join(
            f"  a{i}: &a{i} {{op: concat, in: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 10)), "too-many-values"),
        ("one long text a thousand times", f"{HEAD}doc: &a \"{'x' * 500_000}\"\nb: [{', '.join(['*a'] * 1000)}]\n",
         "too-many-values"),
        ("one map of long keys three hundred times",
         f"{HEAD}doc: &a {{{', '.join(many(50, 'k#' + 'y' * 190 + ': 1'))}}}\nb: [{', '.join(['*a'] * 300)}]\n",
         "too-many-values"),
        ("thirty thousand anchors", HEAD + "\n".join(many(30_000, "k#: &a# 1")) + "\n", "too-many-values"),
        ("33 lists in each other", f"{HEAD}doc: {'[' * 33}{']' * 33}\n", "too-deep"),
        ("half a million open lists", "[" * 500_000 + "\n", "yaml-syntax"),
        ("half a million closed lists", "]" * 500_000 + "\n", "yaml-syntax"),
        ("a hundred thousand dashes", f"{HEAD}doc:\n{'- ' * 100_000}x\n", "too-deep"),
        ("a hundred thousand question marks", HEAD + "? " * 100_000 + "x\n", "key-not-a-word"),
        ("maps in flow a hundred thousand deep", f"{HEAD}doc: " + "{a: " * 100_000 + "1" + "}" * 100_000 + "\n", "too-deep"),
        ("indentation a thousand deep", HEAD + "".join(" " * i + f"a{i}:\n" for i in range(1, 1000)), "yaml-syntax"),
        ("lists thirty deep, three thousand times", f"{HEAD}doc: [{','.join(['[' * 28 + ']' * 28] * 3000)}]\n",
         "too-many-values"),
        ("a quote that is not closed", f'{HEAD}doc: "abc\n', "yaml-syntax"),
        ("a block text of a megabyte", f"{HEAD}doc: |\n  {'x' * 900_000}\n", "missing-key"),
        ("folded lines by the hundred thousand", f"{HEAD}doc: >\n{'  a' * 0}" + "  a\n" * 200_000, "missing-key"),
        ("half a million escapes", f'{HEAD}doc: "' + "\\x41" * 200_000 + '"\n', "missing-key"),
        ("an unknown escape", f'{HEAD}doc: "\\q"\n', "yaml-syntax"),
        ("an escaped surrogate", f'{HEAD}doc: "\\ud800"\n', "yaml-syntax"),
        ("an escape beyond Unicode", f'{HEAD}doc: "\\U00110000"\n', "yaml-syntax"),
        ("an escaped NUL", f'{PLAIN}doc: "a\\0b"\n', None),
        ("a key of a megabyte", f"{HEAD}? {'k' * 900_000}\n: 1\n", "key-not-a-word"),
        ("a key of a thousand signs", f"{HEAD}{'k' * 1000}: 1\n", "key-not-a-word"),
        ("a plain text of nine hundred thousand spaces", f"{PLAIN}doc: a{' ' * 900_000}b\n", None),
        ("forty thousand unknown keys", HEAD + "".join(many(40_000, "k#: 1\n")), "too-many-values"),
        ("five thousand unknown keys", HEAD + "".join(many(5_000, "k#: 1\n")), "too-many-findings"),
        ("five thousand unknown keys on one line", "{graphssl: 1, name: m, " + ", ".join(many(5_000, "k#: 1")) + "}\n",
         "too-many-findings"),
        ("one key five thousand times", HEAD + "doc: x\n" * 5_000, "duplicate-key"),
        ("a list", "- graphssl: 1\n", "not-a-map"),
        ("a word", "graphssl\n", "not-a-map"),
        ("an empty map", "{}\n", "missing-key"),
        ("an empty key", f"{HEAD}'': 1\n", "unknown-key"),
        ("a null key", f"{HEAD}~: 1\n", "unknown-key"),
        ("a number as a key", f"{HEAD}1: 1\n", "unknown-key"),
        ("a list as a key", f"{HEAD}[a]: 1\n", "key-not-a-word"),
        ("a map as a key", f"{HEAD}{{a: 1}}: 1\n", "key-not-a-word"),
        ("a lone surrogate in a text", f"{HEAD}doc: \udcff\n", "yaml-syntax"),
    ]  # fmt: skip
    return [Case(name, text, code) for name, text, code in texts]


# Numbers, schedules, durations


def _numbers() -> list[Case]:
    nines = "9" * 400
    texts: list[tuple[str, str, str | None]] = [
        ("an infinite number", with_loss("temperature: 1e999"), "number-too-large"),
        ("minus an infinite number", with_loss("weight: -1e999"), "number-too-large"),
        ("the largest float", with_loss("temperature: 1.7e308"), "number-too-large"),
        ("the largest number", with_loss("temperature: 1e30"), None),
        ("beyond the largest number", with_loss("temperature: 1.1e30"), "number-too-large"),
        ("the smallest float", with_loss("temperature: 5e-324"), None),
        ("a number that rounds to zero", with_loss("temperature: 1e-999"), "wrong-value"),
        ("a word for infinity", with_loss("temperature: .inf"), "wrong-type"),
        ("a word for not a number", with_loss("temperature: .nan"), "wrong-type"),
        ("nan", with_loss("temperature: nan"), "wrong-type"),
        ("a number of 39 digits", with_loss(f"temperature: {'9' * 39}"), "number-too-large"),
        ("a number of 400 digits", with_loss(f"temperature: {nines}"), "wrong-type"),
        ("a hexadecimal number of 38 digits", with_loss(f"temperature: 0x{'f' * 38}"), "number-too-large"),
        ("a hexadecimal number", with_loss("temperature: 0x10"), None),
        ("an octal number", with_loss("temperature: 0o17"), "wrong-type"),
        ("underscores in a number", with_loss("temperature: 1_0"), "wrong-type"),
        ("a sexagesimal number", with_loss("temperature: 1:30"), "wrong-type"),
        ("other digits", with_loss("temperature: ٠٫٥"), "wrong-type"),
        ("full-width digits", with_loss("temperature: １"), "wrong-type"),
        ("minus zero", with_loss("temperature: -0.0"), "wrong-value"),
        ("a truth for a number", with_loss("temperature: true"), "wrong-type"),
        ("a list for a number", with_loss("temperature: [1]"), "wrong-type"),
        ("nothing for a number", with_loss("temperature: {}"), "bad-schedule"),
        ("a duration of 400 digits", with_loss(f"temperature: {{linear: {{from: 1, to: 2, over: {nines}ep}}}}"), "wrong-value"),
        ("a duration of 12 digits", with_loss(f"temperature: {{linear: {{from: 1, to: 2, over: {'9' * 12}ep}}}}"), None),
        ("a duration of nothing", with_loss("temperature: {linear: {from: 1, to: 2, over: 0ep}}"), None),
        ("a negative duration", with_loss("temperature: {linear: {from: 1, to: 2, over: -1ep}}"), "wrong-value"),
        ("a million percent", with_loss("temperature: {linear: {from: 1, to: 2, over: 1000000%}}"), None),
        ("a duration with a line break", with_loss('temperature: {linear: {from: 1, to: 2, over: "1ep\\n"}}'), "wrong-value"),
        ("a schedule from one end of the numbers to the other", with_loss("weight: {linear: {from: -1e30, to: 1e30}}"), None),
        ("a staircase of a thousand drops",
         with_loss(f"temperature: {{steps: {{from: 1, factor: 0.9, at: [{', '.join(many(1000, '#steps'))}]}}}}"), "wrong-value"),
        ("a staircase that overflows",
         with_loss(f"weight: {{steps: {{from: 1, factor: 1e30, at: [{', '.join(many(250, '#steps'))}]}}}}"), None),
        ("a staircase that falls through zero",
         with_loss("temperature: {steps: {from: 1, factor: 0, at: [1ep, 2ep]}}"), "wrong-value"),
        ("schedules in schedules", with_loss("weight: " + "{constant: 1, over: 1ep, then: " * 28 + "1" + "}" * 28), None),
        ("a schedule of two shapes", with_loss("weight: {linear: {to: 1}, cosine: {to: 1}}"), "bad-schedule"),
        ("a schedule of lists", with_loss("weight: {linear: [1, 2]}"), "wrong-type"),
        ("a warm-up of a warm-up", with_loss("weight: {warmup: 1ep, then: {warmup: 1ep, then: {warmup: 1ep}}}"), "bad-schedule"),
        ("a schedule for each of 190 losses",
         nodes(*many(190, "l#: {op: nt_xent, in: f, weight: {cosine: {from: 1, to: 0}}}")), "local-negatives"),
        ("a long staircase for each of many losses",
         nodes(*many(60, 'l#: {op: nt_xent, in: f, temperature: "${schedules.t}"}'), head=f"{HEAD}schedules: {{t: {{steps: "
               f"{{from: 1, factor: 0.99, at: [{', '.join(many(250, '#steps', start=1))}]}}}}}}\n"), "local-negatives"),
        ("no epochs", with_train("optimizer: adamw, lr: 1, epochs: 0, batch_size: 4"), "wrong-value"),
        ("a quarter of an epoch", with_train("optimizer: adamw, lr: 1, epochs: 0.25, batch_size: 4"), None),
        ("a trillion epochs", with_train("optimizer: adamw, lr: 1, epochs: 1e12, batch_size: 4"), "wrong-value"),
        ("a batch of 2⁴⁰", with_train("optimizer: adamw, lr: 1, epochs: 1, batch_size: 1099511627776"), None),
        ("a batch beyond that", with_train("optimizer: adamw, lr: 1, epochs: 1, batch_size: 1099511627777"), "wrong-value"),
        ("a batch of a half", with_train("optimizer: adamw, lr: 1, epochs: 1, batch_size: 4.5"), "wrong-type"),
        ("a negative batch", with_train("optimizer: adamw, lr: 1, epochs: 1, batch_size: -4"), "wrong-value"),
        ("a negative learning rate", with_train("optimizer: adamw, lr: -1, epochs: 1, batch_size: 4"), "wrong-value"),
        ("a learning rate of 10³⁰", with_train("optimizer: adamw, lr: {base: 1e30, per: 1}, epochs: 1, batch_size: 1e9"), None),
        ("a negative seed", with_train(f"{TRAIN}, seed: -1"), "wrong-value"),
        ("a seed of 10³⁰", with_train(f"{TRAIN}, seed: 1000000000000000000000000000000"), "wrong-value"),
        ("more than all images", with_train(f"{TRAIN}, images: 101%"), "wrong-value"),
        ("no images", with_train(f"{TRAIN}, images: 0%"), "wrong-value"),
        ("no share of the images", with_train(f"{TRAIN}, images: 0.0%"), "wrong-value"),
        ("a warm-up longer than all", with_train(f"{TRAIN}, warmup: 999999999999ep"), "warmup-longer-than-training"),
    ]  # fmt: skip
    return [Case(name, text, code) for name, text, code in texts]


# Shapes of graphs


def _graphs() -> list[Case]:
    one = "  v: {op: augment, recipe: quick, size: 8}\n  n0: {op: encoder, in: v, arch: resnet18}\n"

    def joins(lines: list[str]) -> str:
        return f"{HEAD}nodes:\n{one}" + "".join(f"  {line}\n" for line in lines) + "represent: n0\n"

    def of_all_before(i: int, most: int) -> str:
        return f"n{i}: {{op: concat, in: [{', '.join(f'n{j}' for j in range(max(0, i - most), i))}]}}"

    block = "blocks: {b: {inputs: [x], nodes: {n: {op: l2_normalize, in: x}, l: {op: nt_xent, in: n}}, out: n}}\n"
    texts: list[tuple[str, str, str | None]] = [
        ("ten thousand nodes", nodes(*many(10_000, "n#: {op: label}")), "too-many-values"),
        ("as many nodes as may be", nodes(*many(1498, "n#: {op: label}")), "no-loss"),
        ("one node more", nodes(*many(1499, "n#: {op: label}")), "too-many-nodes"),
        ("as many as are drawn", nodes(*many(198, "n#: {op: label}")), "no-loss"),
        ("a chain too long to draw", nodes("n0: {op: l2_normalize, in: f}", *many(
            1400, "n#: {op: l2_normalize, in: n@}", start=1), "loss: {op: nt_xent, in: n1399}"), "local-negatives"),
        ("projectors behind each other", nodes("n0: {op: projector, in: f, dims: [64]}", *many(
            1400, "n#: {op: projector, in: n@, dims: [64]}", start=1), "loss: {op: nt_xent, in: n1399}"), "local-negatives"),
        ("a fan too wide to draw", nodes(*many(700, "n#: {op: l2_normalize, in: f}"), *many(700, "l#: {op: nt_xent, in: n#}")),
         "too-many-findings"),
        ("copies of copies, too many to draw", nodes("e0: {op: ema, of: f, in: v, momentum: 0.9}", *many(
            1400, "e#: {op: ema, of: e@, in: v, momentum: 0.9}", start=1), "loss: {op: nt_xent, in: f}"), "unused-node"),
        ("a circle too long to draw", nodes(*many(1400, "n#: {op: l2_normalize, in: n^}")).replace("n1400", "n0"), "loop"),
        ("a circle of shares, too long to draw", nodes(*many(1400, "e#: {op: share, of: e^, in: v}")).replace("e1400", "e0"),
         "link-cycle"),
        ("the longest chain that is drawn", nodes("n0: {op: l2_normalize, in: f}", *many(190, "n#: {op: l2_normalize, in: n@}", start=1),
                                    "loss: {op: nt_xent, in: n189}"), "local-negatives"),
        ("the widest fan", nodes(*many(95, "n#: {op: l2_normalize, in: f}"), *many(95, "l#: {op: nt_xent, in: n#}")),
         "local-negatives"),
        ("as many projectors", nodes(*many(95, "n#: {op: projector, in: f, dims: [64]}"),
                                     *many(95, "l#: {op: koleo_loss, in: n#}")), "no-train"),
        ("as many losses", nodes(*many(190, "l#: {op: nt_xent, in: f}")), "local-negatives"),
        ("copies of copies of copies", nodes("e0: {op: ema, of: f, in: v, momentum: 0.9}", *many(
            190, "e#: {op: ema, of: e@, in: v, momentum: 0.9}", start=1), "loss: {op: nt_xent, in: f}"), "unused-node"),
        ("shares of shares of shares", nodes("e0: {op: share, of: f, in: v}", *many(
            190, "e#: {op: share, of: e@, in: v}", start=1), "loss: {op: nt_xent, in: e189}"), "local-negatives"),
        ("a circle of shares", nodes(*many(190, "e#: {op: share, of: e^, in: v}")).replace("e190", "e0"), "link-cycle"),
        ("a share of itself", nodes("s: {op: share, of: s, in: v}"), "link-cycle"),
        ("an ema of itself", nodes("s: {op: ema, of: s, in: v, momentum: 0.9}"), "link-cycle"),
        ("a node that takes itself", nodes("s: {op: l2_normalize, in: s}"), "loop"),
        ("a circle of 190", nodes(*many(190, "n#: {op: l2_normalize, in: n^}")).replace("n190", "n0"), "loop"),
        ("ninety-five circles of two", nodes(*many(95, "a#: {op: l2_normalize, in: b#}"), *many(95, "b#: {op: l2_normalize, in: a#}")),
         "loop"),
        ("a queue that feeds itself", nodes("q: {op: queue, in: q, size: 8}", "loss: {op: nt_xent, in: f}"), "no-train"),
        ("queues that feed each other", nodes("a: {op: queue, in: b, size: 8}", "b: {op: queue, in: a, size: 8}",
                                             "loss: {op: info_nce, in: {query: f, positive: f, negatives: a}}"), "queue-not-normalized"),
        ("every node takes all before it", joins([of_all_before(i, 500) for i in range(1, 53)]), "no-loss"),
        ("every node takes seven before it", joins([of_all_before(i, 7) for i in range(1, 190)]), "no-loss"),
        ("every node takes sixty before it", joins([of_all_before(i, 60) for i in range(1, 190)]), "too-many-views"),
        ("widths that double thirty times", joins(many(30, "n#: {op: concat, in: [n@, n@]}", start=1)), "no-loss"),
        ("widths of four thousand digits", joins(["n1: {op: projector, in: n0, dims: [16777216]}", *many(
            190, "n#: {op: concat, in: [n@, n@, n@, n@, n@, n@, n@]}", start=2)]), "no-loss"),
        ("lists that double forty times", nodes("n0: {op: l2_normalize, in: f}", *many(
            40, "n#: {op: l2_normalize, in: [n@, n@]}", start=1), "loss: {op: nt_xent, in: n39}"), "too-many-views"),
        ("a list of 257", nodes(f"n: {{op: l2_normalize, in: [{', '.join(['f'] * 129)}]}}", "loss: {op: nt_xent, in: n}"),
         "too-many-views"),
        ("a billion views", PLAIN.replace("count: 2", "count: 1000000000"), "wrong-value"),
        ("no views", PLAIN.replace("count: 2", "count: 0"), "wrong-value"),
        ("257 views", PLAIN.replace("count: 2", "count: 257"), "wrong-value"),
        ("256 views", PLAIN.replace("count: 2", "count: 256"), "local-negatives"),
        ("256 views of 256 recipes", PLAIN.replace("recipe: quick, size: 8, count: 2", f"size: 8, count: 256, views: "
                                                   f"[{', '.join(['quick'] * 256)}]"), "too-many-views"),
        ("256 recipes in each of 60 nodes", nodes(*many(60, f"w#: {{op: augment, size: 8, views: [{', '.join(['simclr'] * 256)}]}}")),
         "too-many-values"),
        ("256 patched recipes in each of 60 nodes", nodes(*many(
            60, f"w#: {{op: augment, size: 8, steps: {{flip: {{p: 0.1}}}}, views: [{', '.join(['simclr'] * 250)}]}}")),
         "too-many-values"),
        ("five thousand recipes", nodes(f"w: {{op: augment, size: 8, views: [{', '.join(['quick'] * 5000)}]}}"), "wrong-value"),
        ("twenty lists of 256 views", nodes(*many(21, "w#: {op: augment, recipe: quick, size: 8, count: 256}")), "too-many-views"),
        ("every pair of 256 views", PLAIN.replace("count: 2", "count: 256").replace(
            "nt_xent, in: f", "cosine_loss, in: {prediction: f, target: f}"), "too-many-views"),
        ("every pair of thirty views", PLAIN.replace("count: 2", "count: 30").replace(
            "nt_xent, in: f", "cosine_loss, in: {prediction: f, target: f}"), None),
        ("six thousand pairs by hand", PLAIN.replace("nt_xent, in: f", "cosine_loss, in: {prediction: f, target: f}, "
                                                     f"pairs: [{', '.join(['[0, 1]'] * 6000)}]"), "too-many-views"),
        ("a pair of 10³⁰", PLAIN.replace("nt_xent, in: f", "cosine_loss, in: {prediction: f, target: f}, "
                                         f"pairs: [[0, 1{'0' * 30}]]"), "bad-pairs"),
        ("a negative pair", PLAIN.replace("nt_xent, in: f", "cosine_loss, in: {prediction: f, target: f}, pairs: [[0, -1]]"),
         "wrong-value"),
        ("images of a trillion pixels a side", PLAIN.replace("size: 8", "size: 1000000000000"), "wrong-value"),
        ("images of no pixels", PLAIN.replace("size: 8", "size: 0"), "wrong-value"),
        ("a queue of a trillion", nodes("q: {op: queue, in: f, size: 1000000000000}",
                                        "loss: {op: info_nce, in: {query: f, positive: f, negatives: q}}"), "queue-not-normalized"),
        ("widths of a billion", nodes("g: {op: projector, in: f, dims: [1000000000, 1000000000]}"), "wrong-value"),
        ("ten thousand widths", nodes(f"g: {{op: projector, in: f, dims: [{', '.join(['1'] * 10_000)}]}}"), "no-loss"),
        ("no widths", nodes("g: {op: projector, in: f, dims: []}"), "wrong-value"),
        ("prototypes without end", nodes("g: {op: prototypes, in: f, count: 1000000000000000}"), "wrong-value"),
        ("ten thousand steps of augmentation", PLAIN.replace("recipe: quick", f"steps: {{{', '.join(many(10_000, 's#: {p: 1}'))}}}"),
         "too-many-values"),
        ("an augmentation like itself", PLAIN.replace("recipe: quick", "like: v"), "like-cycle"),
        ("augmentations like each other", nodes("a: {op: augment, size: 8, like: b}", "b: {op: augment, size: 8, like: a}"), "like-cycle"),
        ("150 that are like the next", nodes(*many(150, "a#: {op: augment, size: 8, like: a^}")), "too-deep"),
        ("ninety instances of a block", nodes(*many(90, "i#: {block: b, in: f}"), head=HEAD + block), "local-negatives"),
        ("900 instances of a block", nodes(*many(900, "i#: {block: b, in: f}"), head=HEAD + block), "too-many-values"),
        ("a block in itself", nodes("i: {block: b, in: f}", head=f"{HEAD}blocks: {{b: {{inputs: [x], nodes: "
                                    "{n: {block: b, in: x}}, out: n}}\n"), "bad-block"),
        ("blocks in each other", nodes("i: {block: a, in: f}", head=f"{HEAD}blocks:\n  a: {{inputs: [x], nodes: {{n: "
                                       "{block: b, in: x}}, out: n}\n  b: {inputs: [x], nodes: {n: {block: a, in: x}}, out: n}\n"),
         "bad-block"),
        ("a block of long parameters", nodes(*many(180, "i#: {block: b}"), head=f"{HEAD}blocks: {{b: {{params: {{x: \"{'y' * 400_000}\"}}, "
                                             'nodes: {n: {op: label, foo: "${x}"}}, out: n}}\n'), "too-many-values"),
        ("a block of five thousand parameters", nodes(*many(180, "i#: {block: b}"), head=f"{HEAD}blocks: {{b: {{params: "
                                                      f"{{{', '.join(many(5000, 'p#: 1'))}}}, nodes: {{n: {{op: label}}}}, out: n}}}}\n"),
         "too-many-findings"),
        ("a block whose inputs are its nodes", nodes("i: {block: b, in: f}", head=f"{HEAD}blocks: {{b: {{inputs: [n], nodes: "
                                                     "{n: {op: l2_normalize, in: n}}, out: n}}\n"), "loop"),
        ("190 misspelt references", nodes(*many(190, "node_number_#: {op: l2_normalize, in: node_numbr_#x}")), "unknown-node"),
        ("190 misspelt ops", nodes(*many(190, "n#: {op: l2_normalise_#, in: f}")), "unknown-op"),
        ("five thousand misspelt attributes", with_loss(", ".join(many(5000, "temperatur#: 1"))), "too-many-findings"),
        ("nine thousand monitors", nodes("loss: {op: nt_xent, in: f}", more="monitors:\n" + "\n".join(many(9000, "  m#: loss")) + "\n"),
         "wrong-value"),
        ("three thousand groups", with_train(f"{TRAIN}, groups: {{{', '.join(many(3000, 'g#: {match: [a]}'))}}}"), "wrong-value"),
        ("groups of nodes that are not there", with_train(f"{TRAIN}, groups: {{{', '.join(many(250, 'g#: {node: n#}'))}}}"),
         "too-many-findings"),
    ]  # fmt: skip
    drawn = (
        "the widest fan",
        "the longest chain",
        "every node takes all before it",
        "190 misspelt references",
        "as many losses",
    )
    return [Case(name, text, code, picture=name in drawn) for name, text, code in texts]


# `${}`


def _parameters() -> list[Case]:
    def params(words: str, use: str = "${a}") -> str:
        return f'{HEAD}params: {{{words}}}\ndoc: x\ntitle: "{use}"\nnodes:\n{VIEWS}{ENCODER}{LOSS}'

    texts: list[tuple[str, str, str | None]] = [
        ("a parameter that is itself", params('a: "${a}"'), "param-cycle"),
        ("two that are each other", params('a: "${b}", b: "${a}"'), "param-cycle"),
        ("a thousand pairs that are each other", params(", ".join([*many(500, 'a#: "${b#}"'), *many(500, 'b#: "${a#}"')]), "x"),
         "too-many-findings"),
        ("texts that double", params(", ".join(many(40, 'a#: "${a^}${a^}"')) + ", a40: word", "${a0}"), "too-many-values"),
        ("lists that triple", params(", ".join(many(20, 'a#: ["${a^}", "${a^}", "${a^}"]')) + ", a20: 1", "${a0}"), "too-many-values"),
        ("lists in lists in lists", params(", ".join(many(60, 'a#: ["${a^}"]')) + ", a60: 1", "${a0}"), "too-deep"),
        ("a long text many times", f"{HEAD}params: {{a: \"{'y' * 9_000}\"}}\ndoc: [" + ", ".join(['"${a}"'] * 4000) + "]\n",
         "too-many-values"),
        ("a long text in many texts", f"{HEAD}params: {{a: \"{'y' * 4_000}\"}}\ndoc: [" + ", ".join(['"${a}${a}"'] * 4000) + "]\n",
         "too-many-values"),
        ("half a million open", f'{PLAIN}title: "{"${" * 400_000}"\n', "unknown-param"),
        ("half a million closed", f'{PLAIN}title: "{"}" * 400_000}"\n', None),
        ("one inside another", params("a: 1, b: a", "${${b}}"), "unknown-param"),
        ("an expression", params("a: 1", "${a + 1}"), "unknown-param"),
        ("a call", params("a: 1", "${__import__('os').system('touch pwned')}"), "unknown-param"),
        ("a lookup", params("a: 1", "${a.__class__}"), "unknown-param"),
        ("a shell word", params("a: 1", "$(touch pwned)"), "unused-param"),
        ("a template", params("a: 1", "{{ 7 * 7 }} {% raw %} #{7*7}"), "unused-param"),
        ("a format", params("a: 1", "{0.__class__} %s %n"), "unused-param"),
        ("an environment variable", params("a: 1", "${HOME} ${env:PATH}"), "unknown-param"),
        ("an empty name", params("a: 1", "${}"), "unknown-param"),
        ("a name of ten thousand signs", params("a: 1", f"${{{'n' * 10_000}}}"), "unknown-param"),
        ("a name with a line break", params("a: 1", "${a\\n}"), None),
        ("a parameter as a node's name", f'{HEAD}params: {{a: x}}\nnodes: {{"${{a}}": {{op: label}}}}\n', "bad-name"),
        ("a parameter as an op", nodes('n: {op: "${a}"}', head=f"{HEAD}params: {{a: label}}\n"), "no-loss"),
        ("a parameter as a whole node", f'{HEAD}params: {{a: {{op: label}}}}\nnodes: {{n: "${{a}}"}}\n', "missing-key"),
        ("a parameter as all nodes", f'{HEAD}params: {{a: [1]}}\nnodes: "${{a}}"\n', "wrong-type"),
        ("a parameter with limits of lists", params("a: {default: 1, min: [1], max: {b: 1}}"), None),
        ("a parameter with limits that no value meets", params("a: {default: 1, min: 2, max: 0}"), "wrong-value"),
        ("ten thousand choices", params(f"a: {{default: x, choices: [{', '.join(many(10_000, 'c#'))}]}}"), "wrong-value"),
        ("five thousand parameters in a row", params(", ".join(many(5000, 'a#: "${a^}"')) + ", a5000: 1", "${a0}"), None),
        ("schedules that name each other", f'{HEAD}schedules: {{a: "${{schedules.b}}", b: "${{schedules.a}}"}}\nnodes: {{}}\n',
         "unknown-param"),
    ]  # fmt: skip
    return [Case(name, text, code) for name, text, code in texts]


# What names other things: files, runs, models


def _files() -> list[Case]:
    def extends(words: str) -> str:
        return f"{HEAD}extends: {words}\n"

    def starts(place: str) -> str:
        return with_node(f'g: {{op: projector, in: f, dims: [4], from: "{place}"}}')

    def write(folder: Path, text: str, name: str = "m.yaml") -> str:
        (folder / name).write_text(text)
        return str(folder / name)

    def link(target: str, name: str = "m.yaml") -> Callable[[Path], str]:
        def make(folder: Path) -> str:
            (folder / name).symlink_to(target)
            return str(folder / name)

        return make

    def pipe(folder: Path) -> str:
        os.mkfifo(folder / "m.yaml")
        return str(folder / "m.yaml")

    def parent(make: Callable[[Path], str], name: str = "m.yaml") -> Callable[[Path], str]:
        def made(folder: Path) -> str:
            make(folder)
            return write(folder, extends(name), "child.yaml")

        return made

    def run(method: str = PLAIN, weights: bytes = b"", reference: str = "run") -> Callable[[Path], str]:
        def made(folder: Path) -> str:
            checkpoint = folder / "run" / "checkpoints" / "step-00000001"
            checkpoint.mkdir(parents=True)
            (folder / "run" / "method.yaml").write_text(method)
            (checkpoint / "model.safetensors").write_bytes(weights)
            body = f'{{op: frozen, of: f, in: v, from: "{folder}/{reference}"}}'
            return write(folder, with_node(f"t: {body}"))

        return made

    def circle(folder: Path) -> str:
        write(folder, extends("b.yaml"), "a.yaml")
        return write(folder, extends("a.yaml"), "b.yaml")

    def pipe_as_weights(folder: Path) -> str:
        reference = run()(folder)
        weights = folder / "run" / "checkpoints" / "step-00000001" / "model.safetensors"
        weights.unlink()
        os.mkfifo(weights)
        return reference

    def pipe_as_method(folder: Path) -> str:
        reference = run()(folder)
        (folder / "run" / "method.yaml").unlink()
        os.mkfifo(folder / "run" / "method.yaml")
        return reference

    def long_line(folder: Path) -> str:
        for i in range(20):
            write(folder, extends(f"m{i + 1}.yaml"), f"m{i}.yaml")
        return str(folder / "m0.yaml")

    def variants(inner: int, count: int) -> Callable[[Path], str]:
        body = nodes(*many(inner, "n#: {op: l2_normalize, in: f}"), "loss: {op: nt_xent, in: f}")
        return lambda folder: write(folder, body + "variants:\n" + "\n".join(many(count, "  v#: {title: t#}")) + "\n")

    def variant_chain(folder: Path) -> str:
        lines = many(60, "  v#: {extends: v^}")
        return write(folder, PLAIN + "variants:\n" + "\n".join(lines) + "\n") + "@v0"

    def signs_in_a_name(folder: Path) -> str:
        name = "p\n        __import__('os').system('touch pwned')  #.yaml"
        write(folder, PLAIN, name)
        return write(folder, extends("\"p\\n        __import__('os').system('touch pwned')  #.yaml\""))

    def header(size: int, text: bytes) -> bytes:
        return size.to_bytes(8, "little") + text

    return [
        Case("a parent that is itself", code="extends-cycle", file=lambda folder: write(folder, extends("m.yaml"))),
        Case("two parents of each other", code="extends-cycle", file=circle),
        Case("twenty parents", code="extends-cycle", file=long_line),
        Case("an absolute parent", extends("/etc/passwd"), "unknown-method"),
        Case("an absolute parent with the right ending", extends("/etc/x.yaml"), "unknown-method"),
        Case("a parent up the tree", extends("../../../../../../etc/x.yaml"), "cannot-read"),
        Case("a parent that is a device", extends("/dev/zero"), "unknown-method"),
        Case("a parent that links to a device", code="cannot-read", file=parent(link("/dev/zero"))),
        Case("a parent that links to itself", code="cannot-read", file=parent(link("m.yaml"))),
        Case("a parent that is a pipe", code="cannot-read", file=parent(pipe)),
        Case("a parent that is a folder", code="cannot-read", file=parent(lambda folder: str((folder / "m.yaml").mkdir()))),
        Case("a parent with a NUL in its name", extends('"a\\0.yaml"'), "cannot-read"),
        Case("a parent with a name of 5,000 signs", extends("x" * 5000 + ".yaml"), "cannot-read"),
        Case("a parent whose name holds Python", code="cannot-read", file=signs_in_a_name),
        Case("a parent from the network", extends("https://example.org/x.yaml"), "cannot-read"),
        Case("a parent by a file address", extends("file:///etc/x.yaml"), "cannot-read"),
        Case("a home folder", extends("~/x.yaml"), "cannot-read"),
        Case("a list of parents", extends("[byol, simclr]"), "wrong-type"),
        Case("ten thousand variants of a parent", extends("byol" + "@quick" * 10_000), "unknown-variant"),
        Case("a method that is a pipe", code="cannot-read", file=pipe),
        Case("a method that links to a device", code="cannot-read", file=link("/dev/zero")),
        Case("a method that links to random bytes", code="cannot-read", file=link("/dev/urandom")),
        Case("a method that links to nothing", code="cannot-read", file=link("nothing.yaml")),
        Case("a method that links to itself", code="cannot-read", file=link("m.yaml")),
        Case("a method that links to a secret", code="not-a-map", file=link("/etc/passwd")),
        Case("a method that is a folder", code="cannot-read", file=lambda folder: f"{folder}/"),
        Case("the device of zeros", "/dev/zero", "cannot-read"),
        Case("the device of nothing", "/dev/null", "cannot-read"),
        Case("a method with a NUL in its name", "a\0.yaml", "cannot-read"),
        Case("a method with a name of 5,000 signs", "x" * 5000 + ".yaml", "cannot-read"),
        Case("a bundled name of 100,000 signs", "x" * 100_000, "unknown-method"),
        Case("a bundled name that is a path", "recipes/quick", "cannot-read"),
        Case("a bundled name that leads out", "../graphs/byol", "cannot-read"),
        Case("no name", "", "unknown-method"),
        Case("only a variant", "@quick", "unknown-method"),
        Case("ten thousand variants", "byol" + "@quick" * 10_000, "unknown-variant"),
        Case("a variant that is empty", "byol@", "unknown-variant"),
        Case("a name with a lone surrogate", "\udcff.yaml", "cannot-read"),
        Case("three thousand variants of a small file", code="too-many-values", file=variants(0, 3000)),
        Case("sixty variants of a large file", code="unused-node", file=variants(180, 60)),
        Case("variants that extend the next", code="extends-cycle", file=variant_chain),
        Case("weights from a name of 5,000 signs", starts("x" * 5000), "no-such-run"),
        Case("weights from a name with a NUL", starts("a\\0b"), "no-such-run"),
        Case("weights from a device", starts("/dev/zero"), "no-such-run"),
        Case("weights from nowhere", starts(""), "wrong-value"),
        Case("weights from the folder of processes", starts("/proc/self/root"), "no-such-run"),
        Case("weights from the network", starts("https://example.org/run"), "no-such-run"),
        Case("weights from a colon", starts(":"), "no-such-run"),
        Case("weights from a thousand colons", starts(":" * 1000), "no-such-run"),
        Case("a run whose method is no YAML", code="no-such-run", file=run("{")),
        Case("a run whose method is a bomb", code="no-such-run", file=run("[" * 100_000)),
        Case("a run whose method is another program's", code="local-negatives", file=run("name: x\n")),
        Case("a run whose method takes its own network", code="not-in-run",
             file=lambda folder: run(with_node(f't: {{op: frozen, of: t, in: v, from: "{folder}/run"}}'))(folder)),
        Case("a run whose method is a pipe", code="no-such-run", file=pipe_as_method),
        Case("a run whose weights are empty", code="not-in-run", file=run()),
        Case("a run whose weights are a pipe", code="not-in-run", file=pipe_as_weights),
        Case("a run whose weights announce 10¹⁸ bytes", code="not-in-run", file=run(weights=header(10**18, b"{}"))),
        Case("a run whose weights are lists in lists", code="not-in-run", file=run(weights=header(10**6, b"[" * 10**6))),
        Case("a run whose weights are a list", code="not-in-run", file=run(weights=header(2, b"[]"))),
        Case("a run whose weights have no shapes", code="not-in-run", file=run(weights=header(13, b'{"f.x": null}'))),
        Case("a run whose weights have shapes of words", code="not-in-run",
             file=run(weights=header(27, b'{"f.x": {"shape": ["abc"]}}'))),
        Case("a run that is linked", code="not-in-run",
             file=lambda folder: (run(reference="alias")(folder), (folder / "alias").symlink_to("run"))[0]),
        Case("a run by a path that leads out and back", code="not-in-run", file=run(reference="run/../run")),
    ]  # fmt: skip


def _overrides() -> list[Case]:
    words: list[tuple[str, list[str], str | None]] = [
        ("no equals sign", ["nodes"], "bad-override"),
        ("no path", ["=1"], "bad-override"),
        ("nothing", [""], "bad-override"),
        ("only dots", ["....=1"], "bad-override"),
        ("a path a hundred deep", [".".join("a" * 100) + "=1"], "bad-override"),
        ("three hundred values", [f"nodes.f.args.a{i}=1" for i in range(300)], "bad-override"),
        ("a tag", ["title=!!python/name:os.system"], "yaml-tag"),
        ("an anchor inside itself", ["title=&a [*a]"], "yaml-syntax"),
        ("lists in lists", ["title=" + "[" * 1000], "too-deep"),
        ("a text of a megabyte", [f"title={'x' * 1_000_000}"], None),
        ("a line break in a value", ['title="a\\nb"'], None),
        ("a real line break in a value", ["title=a\nb"], None),
        ("a line break in a path", ["nodes.f\n.arch=a"], "bad-name"),
        ("a lone surrogate in a value", ["title=\udcff"], "yaml-syntax"),
        ("a NUL in a value", ["title=\0"], "yaml-syntax"),
        ("a NUL in a path", ["nodes.\0.arch=1"], "bad-name"),
        ("a parameter in itself", ["params.dim=${dim}"], "param-cycle"),
        ("all nodes replaced", ["nodes=1"], "wrong-type"),
        ("all nodes deleted", ["nodes=null"], "missing-key"),
        ("parents", ["extends=/etc/passwd"], "bad-override"),
        ("variants", ["variants.x.title=1"], "bad-override"),
        ("the version", ["graphssl=[1]"], "wrong-version"),
        ("a number beyond all", ["train.epochs=1e999"], "number-too-large"),
        ("an argument that loads weights", ["nodes.f.args.checkpoint_path=/tmp/x"], "wrong-value"),
        ("a thousand equals signs", ["title=" + "=" * 1000], None),
        ("a path inside a text", ["title.a.b.c=1"], "wrong-type"),
        ("a merge key", ["nodes.f=<<: {a: 1}"], "merge-key"),
        ("a document mark", ["title=---"], None),
    ]  # fmt: skip
    return [Case(name, "simclr@quick", code, overrides) for name, overrides, code in words]


def _models() -> list[Case]:
    """What a file can ask of timm and of an optimizer; without torch only what is refused before they are imported."""
    refused = (
        "pretrained: true", "pretrained_cfg: {file: x.pth}", "pretrained_cfg_overlay: {url: 'http://example.org/x'}",
        "checkpoint_path: x.pth", "cache_dir: /tmp/x", "device: cpu", "dtype: float64", "scriptable: true",
        "features_only: true", "pruned: true", "num_classes: 1000000000", "exportable: true", "no_jit: true",
        "pretrained_strict: false",
    )  # fmt: skip
    cases = [
        Case(f"timm's {word.partition(':')[0]}", with_encoder(f"args: {{{word}}}"), "wrong-value") for word in refused
    ]
    texts: list[tuple[str, str, str | None]] = [
        ("a depth of a million", with_encoder("args: {depth: 1000000}"), "wrong-value"),
        ("stages of a million blocks", with_encoder("args: {layers: [1000000, 1, 1, 1]}"), "wrong-value"),
        ("a deep argument of a million", with_encoder("args: {a: [{b: [1000000]}]}"), "wrong-value"),
        ("a list of a thousand arguments", with_encoder(f"args: {{a: [{', '.join(['1'] * 1000)}]}}"), "wrong-value"),
        ("arguments in arguments in arguments", with_encoder(f"args: {{a: {'[' * 10}100000{']' * 10}}}"), "wrong-value"),
        ("arguments that are a list", with_encoder("args: [1]"), "wrong-type"),
        ("an argument named like ours", with_encoder("args: {'x=1, y': 2}"), None),
        ("a model of the hub", PLAIN.replace("resnet18", '"hf-hub:evil/model"'), None),
        ("a model in a folder", PLAIN.replace("resnet18", '"local-dir:/tmp"'), None),
        ("a model with a path", PLAIN.replace("resnet18", "../../x"), None),
        ("no model", PLAIN.replace("resnet18", '""'), "wrong-value"),
        ("a model of half a megabyte", PLAIN.replace("resnet18", "x" * 500_000), None),
        ("a block without end", nodes(f"l: {{op: koleo_loss, in: f.blocks.{'9' * 150}}}"), "unknown-port"),
        ("a hidden layer without end", nodes("g: {op: projector, in: f, dims: [4]}", f"l: {{op: koleo_loss, in: g.hidden.{'9' * 150}}}"),
         None),
        ("a reference of ten thousand signs", nodes(f"l: {{op: koleo_loss, in: f.{'x' * 10_000}}}"), "bad-reference"),
        ("an optimizer that is a path", with_train("optimizer: os.system, lr: 1, epochs: 1, batch_size: 4"), None),
        ("an optimizer that is a list", with_train("optimizer: [adamw], lr: 1, epochs: 1, batch_size: 4"), "wrong-type"),
        ("an optimizer without name", with_train("optimizer: {betas: [1, 2]}, lr: 1, epochs: 1, batch_size: 4"), "missing-key"),
        ("an op that is a path", with_node("x: {op: os.system, in: f}"), "unknown-op"),
        ("an op that is private", with_node("x: {op: __class__, in: f}"), "unknown-op"),
        ("an op of a megabyte", with_node(f"x: {{op: {'x' * 500_000}, in: f}}"), "unknown-op"),
    ]  # fmt: skip
    return cases + [Case(name, text, code) for name, text, code in texts]


# Texts that mean something elsewhere


PAYLOADS = {
    "Python": "\\\"\\\"\\\"\\n    import os; os.system('touch pwned')\\n    \\\"\\\"\\\"",
    "a Python expression": "\\\": __import__('os').system('touch pwned'), \\\"x",
    "a comment's end": "\\nimport os\\nos.system('touch pwned')\\n#",
    "HTML": "</script></style></template><script>alert(1)</script><img src=x onerror=alert(1)>",
    "SVG": "]]></text></svg><svg onload=alert(1)><foreignObject>",
    "an entity": "&lt;&#x3c;&xxe;<!DOCTYPE a [<!ENTITY xxe SYSTEM 'file:///etc/passwd'>]>",
    "DOT": "\\\"]; evil [URL=\\\"javascript:alert(1)\\\"]; x [label=\\\"\\\\",
    "Mermaid": "\\\"]\\nclick n0 href \\\"javascript:alert(1)\\\"\\n%%{init: {}}%%\\nend\\n---\\n",
    "a terminal": "\\e[2J\\e]0;owned\\a\\x9b31m\\r\\b\\b",
    "text that runs backwards": "\\u202egnp.exe\\u2066\\u2069\\u200b\\u200d\\ufeff",
    "a template": "{{payload}} {{scripts}} $ {x} %s {0} \\\\1 \\\\g<0>",
    "a workflow command": "\\n::set-output name=x::y\\n::error::z%0A",
}  # fmt: skip
"""Escaped as in a double-quoted YAML text."""

PLACES: dict[str, tuple[str, str | None]] = {
    "the name": (f'graphssl: 1\nname: "X"\nnodes:\n{VIEWS}{ENCODER}{LOSS}', "bad-name"),
    "the title": (f'{PLAIN}title: "X"\n', None),
    "the paper": (f'{PLAIN}paper: "X"\n', None),
    "the documentation": (f'{PLAIN}doc: "X"\n', None),
    "a key": (f'{PLAIN}"X": 1\n', "unknown-key"),
    "a node": (nodes('"X": {op: label}', "loss: {op: nt_xent, in: f}"), "bad-name"),
    "an op": (nodes('n: {op: "X"}', "loss: {op: nt_xent, in: f}"), "unknown-op"),
    "a reference": (nodes('loss: {op: nt_xent, in: "X"}'), "bad-reference"),
    "an attribute": (nodes('loss: {op: nt_xent, in: f, "X": 1}'), "unknown-key"),
    "the model": (PLAIN.replace("resnet18", '"X"'), None),
    "an argument of the model": (with_encoder('args: {a: "X"}'), None),
    "an argument's name": (with_encoder('args: {"X": 1}'), None),
    "a monitor": (nodes("loss: {op: nt_xent, in: f}", more='monitors: {"X": loss}\n'), "bad-name"),
    "a group": (with_train(f'{TRAIN}, groups: {{"X": {{match: [bias]}}}}'), None),
    "a word of a group": (with_train(f'{TRAIN}, groups: {{g: {{match: ["X"]}}}}'), None),
    "the optimizer": (with_train('optimizer: "X", lr: 1, epochs: 1, batch_size: 4'), None),
    "a run": (with_node('g: {op: projector, in: f, dims: [4], from: "X"}'), "no-such-run"),
    "a recipe": (PLAIN.replace("recipe: quick", 'recipe: "X"'), "unknown-recipe"),
    "a parent": (f'{HEAD}extends: "X"\n', "unknown-method"),
    "a parameter": (f'{HEAD}params: {{"X": 1}}\nnodes:\n{VIEWS}{ENCODER}{LOSS}', "no-train"),
    "a schedule": (f'{HEAD}schedules: {{"X": 1}}\nnodes:\n{VIEWS}{ENCODER}{LOSS}', "unused-schedule"),
    "a block": (f'{HEAD}blocks: {{"X": {{nodes: {{n: {{op: label}}}}, out: n}}}}\nnodes:\n{VIEWS}{ENCODER}{LOSS}', "unused-block"),
    "a variant": (f'{PLAIN}variants: {{"X": {{title: x}}}}\n', None),
}  # fmt: skip
"""Files with an X where a text stands."""


def _injections() -> list[Case]:
    return [
        Case(f"{payload} in {place}", text.replace("X", PAYLOADS[payload]), code, picture=payload == "SVG")
        for place, (text, code) in PLACES.items()
        for payload in PAYLOADS
    ]


def _names() -> list[Case]:
    def named(name: str) -> str:
        return nodes(f'"{name}": {{op: l2_normalize, in: f}}', f'loss: {{op: nt_xent, in: "{name}"}}')

    words: list[tuple[str, str, str | None]] = [
        ("a name of 200 signs", "n" * 200, None),
        ("a name of 201 signs", "n" * 201, "key-not-a-word"),
        ("a name of 100,000 signs", "n" * 100_000, "yaml-syntax"),
        ("an empty name", "", "bad-name"),
        ("a Cyrillic homoglyph", "lоss2", "bad-name"),
        ("a full-width name", "ｆ", "bad-name"),
        ("a combining accent", "fe\u0301", "bad-name"),
        ("an invisible sign", "f\u200b", "bad-name"),
        ("an emoji", "😀", "bad-name"),
        ("a line break at the end", "f2\\n", "bad-name"),
        ("a word of Python", "lambda", "reserved-name"),
        ("a soft word of Python", "match", "reserved-name"),
        ("a method of modules", "train", "reserved-name"),
        ("a private name", "__class__", "bad-name"),
        ("an underscore at the end", "f_", "reserved-name"),
        ("a builtin", "print", None),
        ("an import", "torch", None),
        ("a helper of the compiler", "StepOutput", None),
        ("a path", "../x", "bad-name"),
        ("two slashes", "a/b/c", "bad-name"),
        ("a dot", "a.b", "bad-name"),
        ("an at sign", "a@b", "bad-name"),
        ("the same attribute", "f/f", None),
        ("the box of the total", "total loss", "bad-name"),
        ("a word of Mermaid", "end", None),
        ("a word of DOT", "subgraph", None),
        ("a word of JavaScript", "__proto__", "bad-name"),
        ("another word of JavaScript", "constructor", None),
    ]  # fmt: skip
    long = nodes(*many(90, "n#" + "x" * 150 + ": {op: l2_normalize, in: f}"), *many(
        90, "l#" + "x" * 150 + ": {op: nt_xent, in: n#" + "x" * 150 + "}"))  # fmt: skip
    return [
        *(Case(name, named(word), code) for name, word, code in words),
        Case("180 long names", long, "local-negatives", picture=True),
    ]


FAMILIES: dict[str, list[Case]] = {
    "bytes": _bytes(),
    "yaml": _yaml(),
    "numbers": _numbers(),
    "graphs": _graphs(),
    "parameters": _parameters(),
    "files": _files(),
    "overrides": _overrides(),
    "models": _models(),
    "injections": _injections(),
    "names": _names(),
}
