"""Random methods as YAML text: every op, lists, links, several losses, and sometimes wrong types."""

from __future__ import annotations

import random

OPS = ("projector", "projector", "encoder", "ema", "ema", "share", "frozen", "pure", "pure", "concat", "queue")
MOMENTA = (", momentum: 0.99", ", momentum: {cosine: {from: 0.9, to: 1}}, update: before_forward")


def random_graph(seed: int, size: int = 14) -> str:
    """A file with about `size` nodes; references point to earlier nodes, and for queues sometimes to later ones."""
    pick = random.Random(seed)
    lines: list[str] = []
    images: list[str] = []
    features: list[str] = []
    modules: list[tuple[str, str]] = []
    for i in range(pick.randint(1, 3)):
        more = pick.choice(["", "", ", count: 2", ", count: 8"])
        lines.append(f"v{i}: {{op: augment, steps: {{flip: {{p: 0.5}}}}, size: {pick.choice([32, 96])}{more}}}")
        images.append(f"v{i}")
    lines.append("y: {op: label}")

    def one_or_list(names: list[str]) -> str:
        chosen = pick.sample(names, min(len(names), pick.choice([1, 1, 2, 3])))
        return chosen[0] if len(chosen) == 1 else f"[{', '.join(chosen)}]"

    def add(name: str, body: str) -> None:
        lines.append(f"{name}: {{{body}}}")
        features.append(name)

    add("f", f"op: encoder, in: {one_or_list(images)}, arch: resnet18")
    modules.append(("f", "image"))
    for i in range(size):
        name = f"n{i}"
        op = pick.choice(OPS)
        if op == "projector":
            add(name, f"op: {pick.choice([op, 'predictor'])}, in: {one_or_list(features)}, dims: [64, 32]")
            modules.append((name, "features"))
        elif op == "encoder":
            add(name, f"op: encoder, in: {one_or_list(images)}, arch: vit_small_patch16_224, drop_path: 0.1")
            modules.append((name, "image"))
        elif op in ("ema", "share", "frozen"):
            of, takes = pick.choice(modules)
            given = one_or_list(images if takes == "image" else features)
            momentum = pick.choice(MOMENTA)
            add(name, f"op: {op}, of: {of}, in: {given}{momentum if op == 'ema' else ''}")
        elif op == "queue":
            later = [f"n{j}" for j in range(i + 1, size)]
            add(name, f"op: queue, in: {pick.choice(features + later)}, size: 64")
        else:
            kind = pick.choice(["stop_grad", "l2_normalize", "gather"]) if op == "pure" else "concat"
            add(name, f"op: {kind}, in: {one_or_list(features)}")
    for i in range(pick.randint(1, 3)):
        a, b, c = (pick.choice(features) for _ in range(3))
        body = pick.choice(
            [
                f"op: cosine_loss, in: {{prediction: {a}, target: {b}}}, weight: {pick.choice([1, 0.5])}",
                f"op: info_nce, in: {{query: {a}, positive: {b}, negatives: {c}}}",
                f"op: nt_xent, in: {one_or_list(features)}",
                f"op: linear_probe, in: {{features: {a}, label: y}}, classes: 10",
            ]
        )
        lines.append(f"loss{i}: {{{body}}}")
    nodes = "\n".join(f"  {line}" for line in lines)
    return f"graphssl: 1\nname: random_{seed}\nnodes:\n{nodes}\nrepresent: f\n"
