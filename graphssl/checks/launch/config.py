"""A config file of `accelerate launch`, with the place of everything in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphssl.language.diagnostics import Span
from graphssl.language.files import read_file
from graphssl.language.reader import read
from graphssl.language.tree import Mapping, Scalar, Tree, plain

KEYS = (
    "command_file", "commands", "compute_environment", "debug", "deepspeed_config", "distributed_type", "downcast_bf16",
    "dynamo_config", "enable_cpu_affinity", "fp8_config", "fsdp_config", "gpu_ids", "machine_rank", "main_process_ip",
    "main_process_port", "main_training_function", "megatron_lm_config", "mixed_precision", "mpirun_config", "num_machines",
    "num_processes", "parallelism_config", "rdzv_backend", "same_network", "tpu_env", "tpu_name", "tpu_use_cluster",
    "tpu_use_sudo", "tpu_vm", "tpu_zone", "use_cpu",
)  # fmt: skip
"""What Accelerate reads from the file."""

FSDP_KEYS = (
    "fsdp_activation_checkpointing", "fsdp_activation_checkpointing_offload", "fsdp_auto_wrap_policy",
    "fsdp_backward_prefetch", "fsdp_cpu_ram_efficient_loading", "fsdp_forward_prefetch", "fsdp_min_num_params",
    "fsdp_offload_params", "fsdp_reshard_after_forward", "fsdp_sharding_strategy", "fsdp_state_dict_type",
    "fsdp_sync_module_states", "fsdp_transformer_layer_cls_to_wrap", "fsdp_use_orig_params", "fsdp_version",
)  # fmt: skip
"""What it reads from `fsdp_config`; there the beginning `fsdp_` may be left out."""


@dataclass(frozen=True, eq=False)
class Launch:
    """What will be started, and how."""

    tree: Mapping

    def span(self, *path: str) -> Span:
        """The place of a value, or of the nearest key around it."""
        tree: Tree = self.tree
        span = Span(tree.span.source, 1, 1, 1, 2)
        for key in path:
            if not isinstance(tree, Mapping) or key not in tree:
                break
            entry = tree.entries[key]
            tree = entry.value
            span = tree.span if isinstance(tree, Scalar) and tree.text else entry.key_span
        return span

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the file; `default` where it is absent or empty."""
        tree = self.tree.get(key)
        value = None if tree is None else plain(tree)
        return default if value is None else value

    @property
    def kind(self) -> str:
        return str(self.get("distributed_type", "NO")).upper()

    @property
    def processes(self) -> int:
        return self._count("num_processes")

    @property
    def machines(self) -> int:
        return self._count("num_machines")

    def _count(self, key: str) -> int:
        value = self.get(key, 1)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 1

    def fsdp(self, key: str) -> Any:
        """A value of `fsdp_config`, whose keys may be written without their beginning."""
        given = self.get("fsdp_config", {})
        return given.get(f"fsdp_{key}", given.get(key)) if isinstance(given, dict) else None

    def fsdp_span(self, key: str) -> Span:
        given = self.get("fsdp_config", {})
        return self.span("fsdp_config", key if key in given else f"fsdp_{key}")


def read_launch(path: str) -> Launch:
    """The config at `path`; raises GraphError when it cannot be read."""
    return Launch(read(read_file(Path(path))))


def true(value: Any) -> bool:
    """Whether Accelerate takes a value of the file as true."""
    return str(value).lower() in ("true", "1", "yes", "on", "y", "t")
