"""Small methods that tests draw, and words to look at the drawing."""

from __future__ import annotations

import graphssl
from graphssl.views.scene import Arrow, Scene, scene

MOCO = """
graphssl: 1
name: moco
nodes:
  vq: {op: augment, steps: {flip: {p: 0.5}}, size: 32}
  vk: {op: augment, steps: {flip: {p: 0.5}}, size: 32}
  f:  {op: encoder, in: vq, arch: resnet18}
  g:  {op: projector, in: f, dims: [512, 128]}
  fk: {op: ema, of: f, in: vk, momentum: 0.999, update: before_forward}
  gk: {op: ema, of: g, in: fk, momentum: 0.999, update: before_forward}
  zk: {op: l2_normalize, in: gk}
  queue: {op: queue, in: zk, size: 4096}
  loss: {op: info_nce, in: {query: g, positive: zk, negatives: queue}}
represent: f
"""

SIAMESE = """
graphssl: 1
name: siamese
nodes:
  v: {op: augment, steps: {flip: {p: 0.5}}, size: 32, count: 2}
  y: {op: label}
  f: {op: encoder, in: v, arch: resnet18}
  f2: {op: share, of: f, in: v}
  q: {op: predictor, in: f, dims: [64, 512]}
  t: {op: stop_grad, in: f2}
  loss: {op: cosine_loss, in: {prediction: q, target: t}, weight: {linear: {from: 0, to: 1}}}
  probe: {op: linear_probe, in: {features: f, label: y}, classes: 10}
represent: f
"""

BROKEN = """
graphssl: 1
name: broken
nodes:
  v: {op: augment, steps: {flip: {p: 0.5}}, size: 32}
  f: {op: encoder, in: v, arch: resnet18}
  g: {op: projector, in: f, dims: [12], norm: btach}
  a: {op: projector, in: b, dims: [3]}
  b: {op: projector, in: a, dims: [3]}
  self: {op: projector, in: self, dims: [3]}
  h: {op: nope, in: g}
  q: {op: predictor, in: [g, h], dims: [4]}
  t: {op: ema, of: nowhere, in: v, momentum: 0.9}
  u: {op: ema, of: u, in: v, momentum: 0.9}
  loss: {op: cosine_loss, in: {prediction: q, target: f}}
represent: zzz
"""

HEAD = """\
blocks:
  head:
    inputs: [x]
    nodes:
      first: {op: projector, in: x, dims: [512, 128]}
      last: {op: predictor, in: first, dims: [128, 128]}
    out: last
"""

BLOCKS = """
graphssl: 1
name: blocks
HEAD
  target:
    inputs: [x]
    nodes:
      e: {op: ema, of: f, in: x, momentum: 0.99}
      g: {op: ema, of: h/first, in: e, momentum: 0.9}
    out: g
  ends:
    inputs: [a, b]
    nodes:
      near: {op: cosine_loss, in: {prediction: a, target: b}, weight: 2}
      far: {op: vicreg_loss, in: a}
    out: near
nodes:
  v: {op: augment, steps: {flip: {p: 0.5}}, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  h: {block: head, in: f}
  t: {block: target, in: v}
  loss: {block: ends, in: {a: h, b: t}}
represent: h/first
monitors: {one: loss/near, two: loss/far}
""".replace("HEAD\n", HEAD)


def drawn(text: str) -> Scene:
    method = graphssl.load(text)
    assert method.graph is not None
    return scene(method.graph)


def edge(found: Scene, source: str, target: str, kind: str | None = None) -> Arrow:
    return next(a for a in found.edges if (a.source, a.target) == (source, target) and kind in (None, a.kind))
