"""A node's name becomes an attribute and a variable of the compiled module; some words are taken there."""

from __future__ import annotations

import keyword
from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.language.schedule import Schedule

EXPLAIN = Explanation(
    "reserved-name",
    "a node has a name that the compiled module needs for itself",
    "A node is an attribute of the compiled torch module and a variable of its forward, so its name cannot be a Python "
    "keyword, a method of torch modules such as `train`, end in `_`, or coincide with another node's there.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  y: null\n  type: {op: label}\n"
    "  probe: {in: {label: type}}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  y: null\n  label: {op: label}\n"
    "  probe: {in: {label: label}}\n",
)

# Every public name of an empty torch module (a test keeps this list true).
MODULE_NAMES = frozenset(
    [
        "T_destination",
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "ipu",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
    ]
)
# What the generated class has besides, and builtins that its forward calls.
GENERATED_NAMES = frozenset(
    [
        "commit",
        "conclude",
        "discard",
        "encode",
        "node_of_line",
        "represent",
        "source",
        "steps",
        "steps_per_epoch",
        "max",
        "round",
        "super",
        "zip",
    ]
)


def check(graph: Graph) -> Iterator[Finding]:
    scheduled = {
        f"{node.name}_{key}".replace("/", "_"): f"the schedule of `{node.name}.{key}`"
        for node in graph
        for key, value in node.attrs.items()
        if isinstance(value, Schedule)
    }
    first: dict[str, str] = {}
    for node in sorted(graph, key=lambda n: (n.span.line, n.span.column)):
        word = node.name.replace("/", "_")
        reason = None
        if keyword.iskeyword(word) or keyword.issoftkeyword(word):
            reason = "is a word of Python"
        elif word in MODULE_NAMES or word in GENERATED_NAMES:
            reason = "is a name that the compiled module needs for itself"
        elif word.endswith("_"):
            reason = "ends in `_`, as names that the compiler makes do"
        elif word in first:
            reason = f"and `{first[word]}` are the same name in the compiled module"
        elif word in scheduled:
            reason = f"is the name of {scheduled[word]} in the compiled module"
        first.setdefault(word, node.name)
        if reason:
            help = "choose another name"
            yield Finding("reserved-name", f"`{node.name}` {reason}", node.span, node=node.name, help=help)
