"""Explanations of the codes that reading, resolving, lowering and the dry run raise (a rule explains its own)."""

from __future__ import annotations

from graphssl.language.explanation import Explanation
from graphssl.language.limits import (
    MAX_DRAWN,
    MAX_DRAWN_WIRES,
    MAX_FINDINGS,
    MAX_LIST,
    MAX_NODES,
    MAX_NUMBER,
    MAX_WIRES,
)

_E = Explanation


def _on(base: str, text: str) -> str:
    """A file that changes a bundled method."""
    return f"graphssl: 1\nextends: {base}\nname: mine\n{text}".rstrip("\n") + "\n"


_HEAD = _on("simclr@quick", "")

_YAML = (
    _E(
        "yaml-syntax",
        "the text is not YAML",
        "Nothing can be read from it. The place is where reading failed, which may be just behind the mistake.",
        f"{_HEAD}nodes: {{f: {{arch: resnet34}}\n",
        f"{_HEAD}nodes: {{f: {{arch: resnet34}}}}\n",
    ),
    _E(
        "duplicate-key",
        "a key is written twice in one map",
        "YAML readers silently keep one of the two; which one was meant is unknown.",
        _on("simclr@quick", "train: {epochs: 5, epochs: 10}"),
        _on("simclr@quick", "train: {epochs: 10}"),
    ),
    _E(
        "yaml-tag",
        "the text holds a YAML tag such as `!!python/object`",
        "Tags let a file make objects. A graph file is plain data and never executes anything.",
        f"{_HEAD}doc: !text hello\n",
        f"{_HEAD}doc: hello\n",
    ),
    _E(
        "merge-key",
        "the text holds a YAML merge key (`<<`)",
        "Merging has one spelling here: `extends` for files, `blocks` for parts, `like` for augmentations.",
        f"{_HEAD}nodes:\n  v1: &view {{recipe: simclr, size: 64}}\n  v2: {{<<: *view}}\n",
        f"{_HEAD}nodes:\n  v1: {{recipe: simclr, size: 64}}\n  v2: {{recipe: null, like: v1, size: 64}}\n",
    ),
    _E(
        "key-not-a-word",
        "a key is a list or a map instead of a word",
        "Every piece of a file is addressed by names, for example by `--set nodes.f.arch=…`.",
        f"{_HEAD}[a, b]: 1\n",
        f"{_HEAD}doc: 1\n",
    ),
    _E(
        "number-too-large",
        f"a number is beyond ±{MAX_NUMBER:g}",
        "Products of such numbers become infinite.",
        _on("simclr@quick", "train: {epochs: 1e999}"),
        _on("simclr@quick", "train: {epochs: 100}"),
    ),
    _E("empty-file", "the text holds no YAML", "There is nothing to read.", "# only a comment\n# and another\n", _HEAD),
    _E(
        "several-documents",
        "one text holds several YAML documents",
        "One file is one graph.",
        f"{_HEAD}---\nname: other\n",
        _HEAD,
    ),
    _E("not-a-map", "a graph file is not a map of keys", "A graph is made of named parts.", "- a\n- b\n", _HEAD),
    _E("not-text", "a file is not UTF-8 text", "Only text can hold a graph; perhaps the path names another file."),
    _E("cannot-read", "a file cannot be read", "It does not exist, is a folder, or is not readable for you."),
    _E("file-too-large", "a file is longer than 1 MB", "No method needs that; it is probably another file."),
    _E(
        "too-deep",
        "values are nested more than 32 deep",
        "No method needs that; the limit keeps a broken or hostile file from using up memory.",
        f"{_HEAD}doc: {'[' * 40}{']' * 40}\n",
        f"{_HEAD}doc: text\n",
    ),
    _E(
        "too-many-values",
        "aliases or `${}` make the file grow beyond bounds",
        "A few lines of aliases of aliases can stand for billions of values.",
        f"{_HEAD}a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
        _HEAD,
    ),
    _E(
        "too-many-nodes",
        f"the graph has more than {MAX_NODES:,} nodes",
        "Instances of blocks grow quickly; the limit keeps checking fast.",
    ),
    _E(
        "too-large-to-draw",
        f"a drawing has more than {MAX_DRAWN} boxes or {MAX_DRAWN_WIRES:,} wires, or a method to compare as many nodes",
        "Placing boxes takes the square of their number, and nobody could read such a drawing.",
    ),
    _E(
        "too-many-views",
        f"a list holds more than {MAX_LIST} values, or all lists together more than {MAX_WIRES:,}",
        "Lists of lists grow quickly, and each element is a call of a module or a term of a loss.",
    ),
    _E(
        "too-many-findings",
        f"there are more than {MAX_FINDINGS} findings",
        "What stands behind them was not looked at: it is probably another kind of file.",
    ),
)

_FILE = (
    _E(
        "unknown-key",
        "a map holds a key that has no meaning there",
        "A misspelt key would be ignored, and training would run with another value than the one written.",
        _on("simclr@quick", "nodes: {loss: {temprature: 0.5}}"),
        _on("simclr@quick", "nodes: {loss: {temperature: 0.5}}"),
    ),
    _E(
        "missing-key",
        "something that has no default is not there",
        "A value that changes the method has to stand in the file.",
        _on("simclr@quick", "nodes: {f: {arch: null}}"),
        _on("simclr@quick", "nodes: {f: {arch: resnet18}}"),
    ),
    _E(
        "wrong-type",
        "a value is of another kind than the key takes",
        "For example a text where a number is meant. Note that `on`, `yes` and `12:30` are texts here, `1e-3` is a number.",
        _on("simclr@quick", "nodes: {loss: {temperature: warm}}"),
        _on("simclr@quick", "nodes: {loss: {temperature: 0.5}}"),
    ),
    _E(
        "wrong-value",
        "a value is outside of what the key allows",
        "The message says what is allowed.",
        _on("simclr@quick", "nodes: {f: {stem: cifar100}}"),
        _on("simclr@quick", "nodes: {f: {stem: cifar}}"),
    ),
    _E(
        "wrong-version",
        "`graphssl` is not a version of the language that this program reads",
        "The number is that of the language, not of the program.",
        _HEAD.replace("graphssl: 1", "graphssl: 7"),
        _HEAD,
    ),
    _E(
        "wrong-kind",
        "a curation stands where a method is wanted, or the other way round",
        "A file with `kind: curation` chooses images (`graphssl curate`); one without describes a method to train.",
        "graphssl: 1\nkind: curation\nname: mine\nnodes: {pool: {op: images, data: pool}}\n",
        _HEAD,
    ),
    _E(
        "bad-name",
        "a name is not made of letters, digits and `_`, beginning with a letter",
        "Names become names of tensors, files and variables.",
        _on("simclr@quick", "nodes: {2nd: {op: label}}"),
        _on("simclr@quick", "nodes: {second: {op: linear_probe, in: {features: g, label: y}, classes: 10}}"),
    ),
    _E(
        "unknown-method",
        "there is no bundled method of that name",
        "`graphssl list` shows them; a file of your own is given by its path, ending in `.yaml`.",
        "graphssl: 1\nextends: simcrl\nname: mine\n",
        "graphssl: 1\nextends: simclr\nname: mine\n",
    ),
    _E(
        "unknown-variant",
        "the method has no variant of that name",
        "Variants are the keys of `variants:`, chosen as `NAME@VARIANT`.",
        "graphssl: 1\nextends: simclr@quik\nname: mine\n",
        "graphssl: 1\nextends: simclr@quick\nname: mine\n",
    ),
    _E(
        "extends-cycle",
        "files, or variants, extend each other in a circle",
        "None of them could be read first.",
    ),
    _E(
        "deletes-nothing",
        "a key is empty, and there is nothing it could delete",
        "An empty value means `null`, which deletes what a parent file or the base of a variant has.",
        _on("simclr@quick", "nodes: {f: {stme: null}}"),
        _on("simclr@quick", "nodes: {f: {stem: null}}"),
    ),
    _E(
        "bad-plugin",
        "a `--plugin` module cannot be imported, or lists no ops",
        "A plugin is an importable module with a tuple `OPS` of op classes.",
    ),
    _E(
        "bad-override",
        "a `--set` is not of the form PATH=VALUE, or sets what cannot be set from outside",
        "Paths are keys joined by dots, as in `--set nodes.f.arch=resnet18`; values are YAML. Parents and variants are worked "
        "in before, so setting them would change nothing.",
    ),
    _E(
        "unknown-param",
        "`${name}` or `--set params.name=…` names no parameter",
        "Parameters are the keys of `params:`, shared schedules are written `${schedules.name}`.",
        _on("simclr@quick", 'nodes: {g: {dims: [256, "${dims}"]}}'),
        _on("simclr@quick", 'nodes: {g: {dims: [256, "${dim}"]}}'),
    ),
    _E(
        "param-cycle",
        "parameters are defined by each other in a circle",
        "None of them has a value.",
        _on("simclr@quick", 'params: {a: "${b}", b: "${a}"}'),
        _on("simclr@quick", 'params: {a: "${dim}"}\nnodes: {g: {dims: ["${a}"]}}'),
    ),
    _E(
        "unused-param",
        "nothing mentions a parameter",
        "Changing it would change nothing.",
        _on("simclr@quick", "params: {width: 256}\nnodes: {g: {dims: [256, 64]}}"),
        _on("simclr@quick", 'params: {width: 256}\nnodes: {g: {dims: ["${width}", 64]}}'),
    ),
    _E(
        "unused-schedule",
        "nothing mentions a shared schedule",
        "Changing it would change nothing.",
        _on("simclr@quick", "schedules: {cool: {linear: {from: 0.5, to: 0.1}}}"),
        _on(
            "simclr@quick",
            'schedules: {cool: {linear: {from: 0.5, to: 0.1}}}\nnodes: {loss: {temperature: "${schedules.cool}"}}',
        ),
    ),
    _E(
        "unused-block",
        "no node is an instance of a block",
        "A block is only a pattern: a node `{block: NAME, in: …}` makes its nodes.",
        _on("simclr@quick", "blocks: {head: {inputs: [x], nodes: {g: {op: projector, in: x, dims: [64]}}, out: g}}"),
        _on(
            "simclr@quick",
            "blocks: {head: {inputs: [x], nodes: {g: {op: projector, in: x, dims: [64]}}, out: g}}\n"
            "nodes: {h: {block: head, in: f}, z: {in: h}, g: null}",
        ),
    ),
    _E(
        "unknown-block",
        "there is no block of that name",
        "Blocks are the keys of `blocks:`.",
        _on("simclr@quick", "nodes: {g: {$replace: true, block: head, in: f}}"),
        _on("simclr@quick", ""),
    ),
    _E(
        "bad-block",
        "a block lacks its nodes or what it gives, or holds another block",
        "A block is `{params: …, inputs: [x], nodes: {…}, out: NODE}`.",
        _on("simclr@quick", "blocks: {head: {inputs: [x]}}\nnodes: {g: {$replace: true, block: head, in: f}}"),
        _on(
            "simclr@quick",
            "blocks: {head: {inputs: [x], nodes: {p: {op: projector, in: x, dims: [64]}}, out: p}}\n"
            "nodes: {g: {$replace: true, block: head, in: f}}",
        ),
    ),
    _E(
        "unknown-recipe",
        "there is no bundled augmentation recipe of that name",
        "`graphssl list` shows them; an augmentation can also spell out its `steps`.",
        _on("simclr@quick", "nodes: {v1: {recipe: simlcr}}"),
        _on("simclr@quick", "nodes: {v1: {recipe: simclr}}"),
    ),
    _E("bad-recipe", "a bundled recipe holds no `steps`", "A recipe is a file with a map `steps`."),
    _E(
        "two-recipes",
        "an augmentation takes its steps from two places",
        "One of `recipe`, `like` and `views` gives the steps; `steps` then changes some of them.",
        _on("simclr@quick", "nodes: {v2: {like: v1}}"),
        _on("simclr@quick", "nodes: {v2: {like: v1, recipe: null}}"),
    ),
    _E(
        "like-cycle",
        "augmentations take their steps from each other in a circle",
        "None of them has steps.",
        _on("simclr@quick", "nodes: {v1: {like: v2, recipe: null}, v2: {like: v1, recipe: null}}"),
        _on("simclr@quick", "nodes: {v2: {like: v1, recipe: null}}"),
    ),
    _E(
        "like-without-steps",
        "`like` names a node that has no steps of its own",
        "It must name an `augment` node with one list of steps.",
        _on("simclr@quick", "nodes: {v2: {like: y, recipe: null}}"),
        _on("simclr@quick", "nodes: {v2: {like: v1, recipe: null}}"),
    ),
    _E(
        "bad-schedule",
        "a schedule does not say which values it takes",
        "It has one shape (`cosine`, `linear`, `constant`, `steps`, `warmup`), a beginning, and a length where a `then` follows.",
        _on("simclr@quick", "nodes: {loss: {temperature: {cosine: {to: 0.1}}}}"),
        _on("simclr@quick", "nodes: {loss: {temperature: {cosine: {from: 0.5, to: 0.1}}}}"),
    ),
    _E(
        "two-warmups",
        "the warm-up of the learning rate is given twice",
        "`train.warmup` is short for `train.lr.warmup`.",
        _on("simclr@quick", "train: {warmup: 1ep, lr: {warmup: 2ep}}"),
        _on("simclr@quick", "train: {warmup: 2ep}"),
    ),
    _E(
        "two-splits",
        "the batch is split by `micro_batch` and by `accumulate`",
        "Both split it for the memory. With `micro_batch` the loss and its gradient are those of the whole batch, with `accumulate` the "
        "mean of those of the micro-batches, which is something else where samples are compared with each other.",
        _on("simclr@quick", "train: {micro_batch: 32, accumulate: 4}"),
        _on("simclr@quick", "nodes: {f: {bn_group: 32}, g: {bn_group: 32}}\ntrain: {micro_batch: 32}"),
    ),
)

_GRAPH = (
    _E(
        "unknown-op",
        "there is no op of that name",
        "`graphssl list` shows all ops; `--plugin` adds those of other packages.",
        _on("simclr@quick", "nodes: {loss: {op: ntxent}}"),
        _on("simclr@quick", "nodes: {loss: {op: nt_xent}}"),
    ),
    _E(
        "unknown-node",
        "a reference names no node",
        "References are names of nodes, with a port behind a dot where another than the default is meant.",
        _on("simclr@quick", "nodes: {loss: {in: zz}}"),
        _on("simclr@quick", "nodes: {loss: {in: z}}"),
    ),
    _E(
        "unknown-port",
        "a node has no output of that name",
        "The outputs of an op stand in its documentation.",
        _on("simclr@quick", "nodes: {g: {in: f.pool}}"),
        _on("simclr@quick", "nodes: {g: {in: f.pooled}}"),
    ),
    _E(
        "unknown-input",
        "an op has no input of that name",
        "The inputs of an op stand in its documentation.",
        _on("byol@quick", "nodes: {loss: {in: {$replace: true, predicted: q, target: gt}}}"),
        _on("byol@quick", "nodes: {loss: {in: {$replace: true, prediction: q, target: gt}}}"),
    ),
    _E(
        "missing-input",
        "a node lacks an input that its op needs",
        "One reference, or a list of them, goes to the first input; several inputs are written as a map.",
        _on("byol@quick", "nodes: {loss: {in: {target: null}}}"),
        _on("byol@quick", "nodes: {loss: {in: {target: gt}}}"),
    ),
    _E(
        "bad-reference",
        "something that should be a reference to a node is none",
        "A reference is a node's name, or `NODE.port`.",
        _on("simclr@quick", "nodes: {g: {in: f pooled}}"),
        _on("simclr@quick", "nodes: {g: {in: f.pooled}}"),
    ),
    _E(
        "loop",
        "nodes feed each other in a loop",
        "One step is computed in order. What should come from an earlier step comes from a state such as `queue`.",
        _on("simclr@quick", "nodes: {g: {in: h}, h: {op: l2_normalize, in: g}}"),
        _on("simclr@quick", "nodes: {h: {op: l2_normalize, in: g}, z: {in: h}}"),
    ),
    _E(
        "link-cycle",
        "links name each other as what they copy",
        "Following `of` must lead to a node with weights.",
        _on("byol@quick", "nodes: {ft: {of: gt}, gt: {of: ft}}"),
        _on("byol@quick", "nodes: {ft: {of: f}, gt: {of: g}}"),
    ),
    _E(
        "link-to-no-module",
        "a link names a node without weights",
        "`share`, `ema` and `frozen` call the weights of an encoder, projector or predictor again.",
        _on("byol@quick", "nodes: {ft: {of: v1}}"),
        _on("byol@quick", "nodes: {ft: {of: f}}"),
    ),
    _E(
        "port-type-mismatch",
        "an input gets another kind of value than it takes",
        "For example images where features are meant.",
        _on("simclr@quick", "nodes: {g: {in: v1}}"),
        _on("simclr@quick", "nodes: {g: {in: f}}"),
    ),
    _E(
        "width-mismatch",
        "two values that meet have different widths",
        "A loss compares rows of one width, and one set of weights takes one width.",
        _on("byol@quick", "nodes: {q: {dims: [64, 32]}}"),
        _on("byol@quick", 'nodes: {q: {dims: [64, "${dim}"]}}'),
    ),
    _E(
        "gather-mismatch",
        "values of all ranks meet values of one rank",
        "On several ranks they have different numbers of rows.",
        _on("byol@quick", "nodes: {z: {op: gather, in: gt}, loss: {in: {target: z}}}"),
        _on("byol@quick", "nodes: {loss: {in: {target: gt}}}"),
    ),
    _E(
        "list-lengths",
        "lists of views of different length meet",
        "Views are paired one by one.",
        _on("byol@quick", "nodes: {ft: {in: [v1, v2, v1]}}"),
        _on("byol@quick", "nodes: {ft: {in: [v1, v2]}}"),
    ),
    _E(
        "needs-list",
        "an op that takes a list of views gets one value",
        "It compares or joins several views.",
        _on("simclr@quick", "nodes: {v2: null, f: {in: v1}}"),
        _on("simclr@quick", "nodes: {f: {in: [v1, v2]}}"),
    ),
    _E(
        "bad-pairs",
        "`pairs` of a loss leaves nothing to compare, or names a view that is not there",
        "`cross` needs two views or more; in a list of pairs, views are counted from 0.",
        _on("byol@quick", "nodes: {loss: {pairs: [[0, 2]]}}"),
        _on("byol@quick", "nodes: {loss: {pairs: [[0, 1]]}}"),
    ),
)

_DRY_RUN = (
    _E(
        "unknown-arch",
        "timm has no model of that name",
        "`arch` is a name of timm, as `timm.list_models()` lists them.",
        _on("simclr@quick", "nodes: {f: {arch: resnet81, args: null}}"),
        _on("simclr@quick", "nodes: {f: {arch: resnet18}}"),
    ),
    _E(
        "build-failed",
        "the torch module of a node cannot be built",
        "The message is that of the library that builds it.",
        _on("simclr@quick", "nodes: {f: {args: {chanels: [16, 32, 64, 128]}}}"),
        _on("simclr@quick", "nodes: {f: {args: {channels: [16, 32, 64, 128]}}}"),
    ),
    _E(
        "run-failed",
        "a step on tensors of the right shapes fails in a node",
        "The message is torch's, with the shapes that arrived.",
        _on("simclr@quick", "nodes: {g: {in: f.cls}}"),
        _on("simclr@quick", "nodes: {g: {in: f.pooled}}"),
    ),
    _E(
        "no-such-run",
        "`from` names something that is neither a run with weights, nor a method, nor a file of weights",
        "Weights come from the folder that `graphssl train … --out RUN` wrote, found from where the command runs, or from a "
        "checkpoint that others released (`.pth`, `.pt`, `.pth.tar`, `.ckpt`, `.bin`, `.safetensors`). A method "
        "may stand in for a run: it has the structure, which is enough to check and to draw, but not to train.",
        _on("simclr@quick", "nodes: {f: {from: runs/none}}"),
        _on("simclr@quick", "nodes: {f: {from: byol@quick}}"),
    ),
    _E(
        "shape-contradiction",
        "a step gives another shape than the types say",
        "This is a bug in graphssl, or in the plugin that an op comes from.",
    ),
    _E(
        "no-gradient",
        "trainable parameters of a node get no gradient from any loss",
        "They keep their random values, and distributed training waits for them in vain.",
        _on(
            "simclr@quick",
            "nodes:\n"
            "  f: {$replace: true, op: encoder, in: [v1, v2], arch: vit_tiny_patch16_224, args: {global_pool: avg}}\n"
            "  g: {in: f.cls}",
        ),
        _on(
            "simclr@quick",
            "nodes:\n"
            "  f: {$replace: true, op: encoder, in: [v1, v2], arch: vit_tiny_patch16_224, args: {global_pool: avg}}\n"
            "  g: {in: f.pooled}",
        ),
    ),
    _E(
        "run-differs",
        "the weights of a run do not fit the node that takes them",
        "Weights are taken by name, and each must have the same shape: the run was made with another `arch`, `stem`, size "
        "or `dims`.",
    ),
    _E(
        "gradient-into-teacher",
        "gradient reaches the weights of a teacher",
        "This is a bug in graphssl: teachers never receive gradient.",
    ),
    _E(
        "group-matches-nothing",
        "a rule of `train.groups` means no parameter",
        "It would silently do nothing. Of the rules that match a parameter, the first wins.",
        _on("simclr@quick", "train: {groups: {tokens: {match: [cls_token], weight_decay: 0}}}"),
        _on("simclr@quick", "train: {groups: {weights: {match: [weight], weight_decay: 0}}}"),
    ),
    _E(
        "unknown-optimizer",
        "there is no optimizer of that name",
        "Optimizers are those of torch and timm, in small letters.",
        _on("simclr@quick", "train: {optimizer: {name: adamv}}"),
        _on("simclr@quick", "train: {optimizer: {name: adamw}}"),
    ),
    _E(
        "bad-optimizer-argument",
        "the optimizer does not take an argument, or its value",
        "Learning rate and weight decay stand directly under `train`; the rest goes to the optimizer as it is.",
        _on("simclr@quick", "train: {optimizer: {momentum: 0.9}}"),
        _on("simclr@quick", "train: {optimizer: {betas: [0.9, 0.99]}}"),
    ),
    _E(
        "micro-batch-norm",
        "BatchNorm would see one micro-batch at a time",
        "With `micro_batch` the result is that of the whole batch, as long as each sample goes through the encoders by itself. BatchNorm "
        "mixes the samples of a call, here those of a micro-batch. With `bn_group` its groups are the same either way.",
        _on("simclr@quick", "train: {micro_batch: 64}"),
        _on("simclr@quick", "nodes: {f: {bn_group: 64}, g: {bn_group: 64}}\ntrain: {micro_batch: 64}"),
    ),
)

CODES: tuple[Explanation, ...] = (*_YAML, *_FILE, *_GRAPH, *_DRY_RUN)
