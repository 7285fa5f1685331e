"""Configs of `accelerate launch`: each gives exactly the findings that are written in it, and means to Accelerate what it does here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser

import graphssl
from graphssl.checks import bn_group_does_not_divide
from graphssl.checks.launch import BUILT_CHECKS, LAUNCH_CHECKS, launch_findings
from graphssl.checks.launch.config import FSDP_KEYS, KEYS, read_launch
from graphssl.language.diagnostics import Finding
from tests.broken.test_broken import expected, place

READY = Path(__file__).parents[2] / "docs" / "launch"
RULES = (*LAUNCH_CHECKS, *BUILT_CHECKS)

# method, overrides, config: a place is the line of its comment
CONFIGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing is wrong": ("simclr", {}, "distributed_type: MULTI_GPU\nnum_processes: 8\nmixed_precision: 'no'\n"),
    "a transformer is sharded": (
        "dino",
        {},
        "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_version: 2, fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP}\n",
    ),
    "misspelt at the top": (
        "simclr",
        {},
        "distributed_type: MULTI_GPU\nnum_procs: 8  # error: [launch-key-unknown] @1\n",
    ),
    "misspelt inside": (
        "dino",
        {},
        "distributed_type: FSDP\nfsdp_config:\n  fsdp_version: 2\n  reshard: true  # error: [launch-key-unknown] @3\n",
    ),
    "keys without their beginning": (
        "dino",
        {},
        "distributed_type: FSDP\nfsdp_config:\n  version: 2\n  reshard_after_forward: true\n",
    ),
    "DeepSpeed": (
        "dino",
        {},
        "distributed_type: DEEPSPEED  # error: [launch-engine-unsupported] @19\ndeepspeed_config: {zero_stage: 2}\n",
    ),
    "tensors are not split": (
        "dino",
        {},
        "distributed_type: MULTI_GPU\nparallelism_config: {tp_size: 2}  # error: [launch-engine-unsupported] @1\n",
    ),
    "somebody else's machines": (
        "dino",
        {},
        "compute_environment: AMAZON_SAGEMAKER  # error: [launch-engine-unsupported] @22\ndistributed_type: MULTI_GPU\n",
    ),
    "one process on a CPU": (
        "simclr",
        {},
        "distributed_type: MULTI_CPU\nnum_processes: 2  # error: [launch-starts-one-process] @16\n",
    ),
    "MPI starts them": (
        "simclr",
        {},
        "distributed_type: MULTI_CPU\nnum_processes: 2\nmpirun_config: {mpirun_hostfile: hosts}\n",
    ),
    "one process without distribution": (
        "simclr",
        {},
        "num_processes: 8  # error: [launch-starts-one-process] @16\ndistributed_type: 'NO'\n",
    ),
    "uneven machines that do not meet": (
        "simclr",
        {"train.batch_size": 72},
        "distributed_type: MULTI_GPU\nnum_processes: 9  # error: [launch-processes-uneven] @16\n"
        "num_machines: 2  # warning: [launch-machines-unreachable] @15\n",
    ),
    "batch": (
        "simclr",
        {"train.batch_size": 100, "train.accumulate": 5},
        "distributed_type: MULTI_GPU\nnum_processes: 8  # error: [launch-batch-not-divisible] @16\n",
    ),
    "batch in micro-batches": (
        "simclr",
        {"train.batch_size": 96, "train.micro_batch": 16},
        "distributed_type: MULTI_GPU\nnum_processes: 4  # error: [launch-batch-not-divisible] @16\n",
    ),
    "precision": (
        "simclr",
        {"train.precision": "fp32"},
        "distributed_type: MULTI_GPU\nmixed_precision: bf16  # warning: [launch-precision-ignored] @18\n",
    ),
    "precision that is the same": (
        "simclr",
        {"train.precision": "bf16"},
        "distributed_type: MULTI_GPU\nmixed_precision: bf16\n",
    ),
    "accumulation that Accelerate does not know": (
        "simclr",
        {},
        "distributed_type: MULTI_GPU\ngradient_accumulation_steps: 4  # error: [launch-accumulation-ignored] @30\n",
    ),
    "FSDP of Accelerate's default version": (
        "dino",
        {},
        "distributed_type: FSDP  # error: [launch-fsdp-version] @19\nnum_processes: 2\n",
    ),
    "FSDP of the first version": (
        "dino",
        {},
        "distributed_type: FSDP\nfsdp_config:\n  fsdp_version: 1  # error: [launch-fsdp-version] @17\n",
    ),
    "options of FSDP": (
        "dino",
        {},
        "distributed_type: FSDP\nfsdp_config:\n  fsdp_version: 2\n"
        "  fsdp_activation_checkpointing: true  # error: [launch-fsdp-option-unsupported] @34\n"
        "  auto_wrap_policy: SIZE_BASED_WRAP  # error: [launch-fsdp-option-unsupported] @21\n"
        "dynamo_config: {dynamo_backend: INDUCTOR}  # error: [launch-fsdp-option-unsupported] @1\n",
    ),
    "a ResNet is not sharded": (
        "byol",
        {},
        "distributed_type: FSDP  # warning: [launch-nothing-to-shard] @19\nfsdp_config: {fsdp_version: 2}\n",
    ),
}


def findings(method: str, overrides: dict[str, Any], config: Path, *, static: bool = False) -> list[Finding]:
    graph = graphssl.load(method, overrides).checked_graph()
    return list(launch_findings(graph, read_launch(str(config)), static=static))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_gives_the_findings_written_in_it(name: str, tmp_path: Path) -> None:
    method, overrides, text = CONFIGS[name]
    config = tmp_path / "launch.yaml"
    config.write_text(text)
    found = findings(method, overrides, config)
    assert sorted(map(place, found)) == sorted(expected(config)), [f.to_text() for f in found]
    assert all(finding.help for finding in found)


def test_every_rule_has_a_config_and_an_explanation_that_is_true(tmp_path: Path) -> None:
    assert {rule.EXPLAIN.code for rule in RULES} == {
        code for _, _, text in CONFIGS.values() for code in (rule.EXPLAIN.code for rule in RULES) if f"[{code}]" in text
    }
    for rule in RULES:
        for text, has in ((rule.EXPLAIN.example, True), (rule.EXPLAIN.instead, False)):
            (config := tmp_path / "launch.yaml").write_text(text)
            method = "byol" if rule.EXPLAIN.code == "launch-nothing-to-shard" else "dino"
            codes = {finding.code for finding in findings(method, {"train.batch_size": 1152}, config)}
            assert codes == ({rule.EXPLAIN.code} if has else set()), rule.EXPLAIN.code


def test_a_rule_stands_in_the_file_of_its_code() -> None:
    assert [rule.__name__.rpartition(".")[2] for rule in RULES] == [  # type: ignore[attr-defined]
        rule.EXPLAIN.code.replace("-", "_") for rule in RULES
    ]


def test_groups_of_batch_norm_are_checked_for_the_processes_there_will_be(tmp_path: Path) -> None:
    (config := tmp_path / "launch.yaml").write_text("distributed_type: MULTI_GPU\nnum_processes: 8\n")
    [finding] = findings(
        "moco_v2@quick", {"train.batch_size": 64, "nodes.f.bn_group": 16, "nodes.g.bn_group": 8}, config
    )
    assert (finding.code, finding.node) == (bn_group_does_not_divide.EXPLAIN.code, "f")


def test_without_torch_no_module_is_built(tmp_path: Path) -> None:
    (config := tmp_path / "launch.yaml").write_text(CONFIGS["a ResNet is not sharded"][2])
    assert findings("byol", {}, config, static=True) == []


def test_the_keys_are_those_that_accelerate_reads() -> None:
    assert set(KEYS) == set(ClusterConfig.__dataclass_fields__)
    options = {action.dest for action in launch_command_parser()._actions}
    assert set(FSDP_KEYS) == {name for name in options if name.startswith("fsdp_")}


@pytest.mark.parametrize("config", sorted(READY.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_ready_configs_are_accepted_by_accelerate_and_have_no_finding(config: Path) -> None:
    """Each begins with its command, whose method is the one that is checked."""
    words = config.read_text().partition("accelerate launch ")[2].split("\n")[0].split()
    method = words[words.index("train") + 1]
    assert words[words.index("--config_file") + 1] == config.relative_to(READY.parents[1]).as_posix()
    assert [f.to_text() for f in findings(method, {}, config)] == []
    loaded = load_config_from_file(str(config))
    assert (loaded.distributed_type, loaded.num_processes) == (
        read_launch(str(config)).kind,
        read_launch(str(config)).processes,
    )


@pytest.mark.parametrize("name", [n for n, (_, _, text) in CONFIGS.items() if "error" not in text])
def test_accelerate_takes_a_config_that_has_no_error(name: str, tmp_path: Path) -> None:
    (config := tmp_path / "launch.yaml").write_text(CONFIGS[name][2])
    assert load_config_from_file(str(config)).distributed_type == read_launch(str(config)).kind
