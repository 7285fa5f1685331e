"""Augmentation recipes are data: `recipe:` names a bundled YAML file, `like:` another node, `steps:` patches either.

After this stage an `augment` node spells out its `steps` (or, for `views:`, the steps of each view).
"""

from __future__ import annotations

from dataclasses import replace

from graphssl.bundled import recipe_files
from graphssl.language.diagnostics import Finding, GraphError, did_you_mean
from graphssl.language.fields import Report
from graphssl.language.files import read_file
from graphssl.language.limits import MAX_DEPTH, MAX_LIST, MAX_VALUES
from graphssl.language.merge import flattened, merge
from graphssl.language.reader import read
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree, plain, shown, size, unresolved


def expand_recipes(tree: Mapping, report: Report) -> Mapping:
    """`tree` with the steps of every `augment` node written out."""
    nodes = tree.get("nodes")
    if not isinstance(nodes, Mapping):
        return tree
    recipes = _Recipes(nodes, report)
    entries = {e.key: replace(e, value=recipes.expanded(e.key)) for e in nodes}
    return tree.with_value("nodes", replace(nodes, entries=entries))


class _Recipes:
    def __init__(self, nodes: Mapping, report: Report):
        self.nodes, self.report = nodes, report
        self.done: dict[str, Tree] = {}
        self.values = 0
        self.open: list[str] = []
        self.circular: set[str] = set()

    def expanded(self, name: str) -> Tree:
        if name not in self.done:
            self.open.append(name)
            self.done[name] = made = self._expand(self.nodes.entries[name])
            self.open.pop()
            self.values += size(made)
            if self.values > MAX_VALUES:
                raise GraphError([Finding("too-many-values", "recipes make the file grow beyond bounds", made.span)])
        return self.done[name]

    def _expand(self, entry: Entry) -> Tree:
        name, span, node = entry.key, entry.key_span, entry.value
        if not isinstance(node, Mapping) or plain(node.get("op") or Scalar(None, node.span, "")) != "augment":
            return node
        base = self._base(node)
        views = node.get("views")
        patch = node.get("steps")
        for key in ("recipe", "like"):
            if key in node and views is not None:
                self._two(key, "views", node)
        given, node = node, node.without("recipe")
        if isinstance(views, Sequence):
            each = [self._view(item, patch) for item in views.items[: MAX_LIST + 1]]
            return node.without("steps").with_value("views", replace(views, items=tuple(each)))
        if base is None:
            if not any(key in given for key in ("recipe", "like", "steps", "views")):
                help = "add `recipe: NAME`, or spell out `steps`"
                self.report(
                    Finding("missing-key", f"`{name}` does not say how it augments", span, node=name, help=help)
                )
            if isinstance(patch, Mapping):
                return node.with_value("steps", flattened(patch, self.report))
            return node
        if isinstance(patch, Mapping):
            return node.with_value("steps", merge(base, patch, self.report))
        return node if patch is not None else node.with_value("steps", base)

    def _base(self, node: Mapping) -> Mapping | None:
        """The steps that `recipe:` or `like:` names."""
        recipe, like = node.get("recipe"), node.get("like")
        if recipe is not None and like is not None:
            self._two("recipe", "like", node)
        if recipe is not None:
            return self._recipe(recipe)
        if like is None:
            return None
        if unresolved(like):
            return None
        name = like.value if isinstance(like, Scalar) else None
        if not isinstance(name, str) or name not in self.nodes:
            known = [e.key for e in self.nodes]
            message = f"`like` names {shown(like)}, which is no node"
            self.report(Finding("unknown-node", message, like.span, help=did_you_mean(str(name), known, "node")))
            return None
        if name in self.open:
            circle = self.open[self.open.index(name) :]
            self.circular |= set(circle)
            path = " → ".join([*circle, name])
            help = "give one of them a `recipe`"
            self.report(Finding("like-cycle", f"`like` goes round in a circle: {path}", like.span, help=help))
            return None
        if len(self.open) > MAX_DEPTH:
            raise GraphError([Finding("too-deep", f"`like` leads through more than {MAX_DEPTH} nodes", like.span)])
        other = self.expanded(name)
        steps = other.get("steps") if isinstance(other, Mapping) else None
        if not isinstance(steps, Mapping):
            if name in self.circular:
                return None
            self.report(Finding("like-without-steps", f"`{name}` has no steps of its own to take over", like.span))
            return None
        return steps

    def _two(self, first: str, second: str, node: Mapping) -> None:
        message = f"a node takes its steps from `{first}` or from `{second}`, not from both"
        spans = sorted((node.entries[key].key_span for key in (first, second)), key=lambda s: (s.line, s.column))
        self.report(Finding("two-recipes", message, spans[1], also=(spans[0], "and here"), help="remove one"))

    def _recipe(self, tree: Tree) -> Mapping | None:
        if unresolved(tree):
            return None
        files = recipe_files()
        name = tree.value if isinstance(tree, Scalar) else None
        if not isinstance(name, str) or name not in files:
            help = did_you_mean(str(name), files, "recipe")
            self.report(Finding("unknown-recipe", f"there is no recipe {shown(tree)}", tree.span, help=help))
            return None
        steps = read(read_file(files[name])).get("steps")
        if not isinstance(steps, Mapping):
            raise GraphError([Finding("bad-recipe", f"recipe `{name}` holds no `steps`", tree.span)])
        return flattened(steps, self.report)

    def _view(self, item: Tree, patch: Tree | None) -> Tree:
        base = self._recipe(item) if isinstance(item, Scalar) else item
        if not isinstance(base, Mapping):
            return item
        return merge(base, patch, self.report) if isinstance(patch, Mapping) else base
