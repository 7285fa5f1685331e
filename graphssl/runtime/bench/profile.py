"""What a few steps of a training were found to cost, and what limits them in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

DATA, OPTIMIZER, REST = "data", "optimizer", "rest"
"""What the time of a step is spent on besides nodes: waiting for images, changing weights, and everything else."""


class Part(NamedTuple):
    """A part of a step's time. phase: forward, backward or update of a node; where no node is named, DATA, OPTIMIZER or REST."""

    node: str
    phase: str


@dataclass(frozen=True)
class NodeCost:
    """What one node costs in a step, all micro-batches together.

    forward, backward, update: shares of the step's time. flops: floating-point operations, forward and backward.
    kept_bytes: what its forward keeps for the backward when most is kept; own_bytes: parameters, their gradients and the
    optimizer's moments, buffers.
    """

    op: str
    forward: float = 0
    backward: float = 0
    update: float = 0
    flops: int = 0
    kept_bytes: int = 0
    own_bytes: int = 0

    @property
    def share(self) -> float:
        """Its share of the step's time."""
        return self.forward + self.backward + self.update

    @property
    def bytes(self) -> int:
        return self.kept_bytes + self.own_bytes


@dataclass(frozen=True)
class Profile:
    """Costs of one optimizer step of a training on one device.

    step_s: mean time of a step, the wait for its images included; fastest_s: of the fastest, which is far from the
    mean where others use the machine. shares of the time: `data`, `optimizer`, `rest`, and those of nodes;
    together 1. product_flops_per_s: what a matrix product reaches here in the same number format. peak_bytes: most memory in
    use, of the process on a CPU, of tensors on a device; device_bytes: all there is, where that is known.
    """

    method: str
    source: str
    device: str
    precision: str
    workers: int
    cores: int
    cached: bool
    augment: str
    batch_size: int
    steps: int
    step_s: float
    fastest_s: float
    data: float
    optimizer: float
    rest: float
    nodes: Mapping[str, NodeCost]
    product_flops_per_s: float
    peak_bytes: int
    device_bytes: int | None = None

    @property
    def images_per_s(self) -> float:
        return self.batch_size / self.step_s

    @property
    def flops(self) -> int:
        """Of a step, all nodes."""
        return sum(node.flops for node in self.nodes.values())

    @property
    def peak_share(self) -> float:
        """How much of what a matrix product reaches here a step reaches, waiting included."""
        return self.flops / self.step_s / self.product_flops_per_s

    def peak_share_of(self, name: str) -> float:
        """How much of it a node reaches in its own time; 0 where it takes none."""
        node = self.nodes[name]
        seconds = node.share * self.step_s
        return node.flops / seconds / self.product_flops_per_s if seconds else 0.0

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "method": self.method,
            "data": self.source,
            "device": self.device,
            "precision": self.precision,
            "workers": self.workers,
            "augment": self.augment,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "images_per_s": self.images_per_s,
            "step_s": self.step_s,
            "fastest_s": self.fastest_s,
            "shares": {DATA: self.data, OPTIMIZER: self.optimizer, REST: self.rest},
            "nodes": {name: self._facts_of(name) for name in self.nodes},
            "flops_per_step": self.flops,
            "product_flops_per_s": self.product_flops_per_s,
            "peak_share": self.peak_share,
            "peak_bytes": self.peak_bytes,
            "device_bytes": self.device_bytes,
            "limit": limit(self),
        }

    def _facts_of(self, name: str) -> dict[str, Any]:
        node = self.nodes[name]
        return {
            "op": node.op,
            "share": node.share,
            "forward": node.forward,
            "backward": node.backward,
            "update": node.update,
            "flops": node.flops,
            "peak_share": self.peak_share_of(name),
            "kept_bytes": node.kept_bytes,
            "own_bytes": node.own_bytes,
        }


FULL = 0.9
"""Share of a device's memory in use from where on a larger batch does not fit."""

BUSY = 0.5
"""Share of what a matrix product reaches above which a device computes about as fast as it can."""


def limit(profile: Profile) -> str:
    """What takes most of the time, how well the machine is used meanwhile, and what to try, in one sentence."""
    nodes = {name: node.share for name, node in profile.nodes.items()}
    most = max(nodes, key=nodes.__getitem__)
    largest = max(nodes[most], profile.data, profile.optimizer, profile.rest)
    if profile.data == largest:
        return _data(profile)
    if profile.optimizer == largest:
        share = f"{profile.optimizer:.0%} of the time goes into changing the weights"
        return f"the optimizer: {share}; a larger train.batch_size has fewer steps an image"
    if profile.rest == largest:
        share = f"{profile.rest:.0%} of the time passes between the nodes"
        return f"the host: {share}; a larger train.batch_size has fewer steps an image"
    return _node(profile, most)


def _data(profile: Profile) -> str:
    tries = ["more --workers"] if profile.workers < profile.cores else []
    tries += ["a larger --cache-gb", "--cache disk"] if not profile.cached else []
    advice = f"try {' or '.join(tries)}" if tries else "a cheaper augmentation or more cores would help"
    return f"the data: {profile.data:.0%} of the time the step waits for images; {advice}"


def _node(profile: Profile, name: str) -> str:
    node, reached = profile.nodes[name], profile.peak_share_of(name)
    said = f"the {node.op} `{name}`: {node.share:.0%} of the time"
    if not node.flops:
        return f"{said}, without a matrix product: it moves memory"
    return f"{said}, at {reached:.0%} of what a matrix product reaches here; {_why(profile, reached)}"


def _why(profile: Profile, reached: float) -> str:
    """What keeps a node from being faster."""
    if reached >= BUSY:
        return "the machine is busy"
    if profile.device_bytes and profile.peak_bytes >= FULL * profile.device_bytes:
        most = max(profile.nodes, key=lambda name: profile.nodes[name].bytes)
        used = f"{profile.peak_bytes / profile.device_bytes:.0%} of its memory is in use, most by `{most}`"
        return f"{used}, so that a larger batch, which would use it better, needs train.micro_batch"
    return "small operations and moving memory take the rest"
