"""The JSON Schema of graph files, generated from the ops' signatures and the tables of fields.

Flat: one definition per op, told apart by its `op`, so that editors complete and explain keys. It accepts partial nodes
where a file extends another one, because a patch need not repeat what it keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphssl.bundled import curation_files, method_files, recipe_files
from graphssl.ir.signature import Link, Op
from graphssl.language.fields import RAMP_SCHEMA, SCHEDULE_SCHEMA
from graphssl.language.train import TRAIN

if TYPE_CHECKING:
    from graphssl.pipeline import Method

_REFERENCE = "^[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?(\\.[A-Za-z0-9_.-]+)?$"
_PARAMETER = {"type": "string", "pattern": "\\$\\{[^{}]+\\}"}


def graph_schema(registry: Mapping[str, type[Op]], method: Method | None = None) -> dict[str, Any]:
    """The schema of a method; with `method`, references complete to its node names."""
    names = [node.name for node in method.spec.nodes] if method and method.spec else []
    return _schema("method", registry, {**_shared(), **_training()}, sorted(method_files()), names)


def curation_schema(registry: Mapping[str, type[Op]]) -> dict[str, Any]:
    """The schema of a curation, of the stages in `registry`."""
    return _schema("curation", registry, _shared(), sorted(curation_files()), ())


def _schema(
    kind: str, registry: Mapping[str, type[Op]], body: dict[str, Any], parents: Sequence[str], names: Sequence[str]
) -> dict[str, Any]:
    """A file of this kind. body: the keys that it and a variant share."""
    nodes = {f"node_{name}": _node(op, registry) for name, op in registry.items()}
    known = {"examples": names} if names else {}
    defs: dict[str, Any] = {
        "schedule": _replaceable(SCHEDULE_SCHEMA),
        "ramp": {key: value for key, value in RAMP_SCHEMA.items() if key != "required"},  # may be a patch
        "parameter": {**_PARAMETER, "description": "A parameter of this file: `${name}`."},
        "reference": {
            "type": "string",
            "anyOf": [{"pattern": _REFERENCE}, _PARAMETER],
            "description": "A node (`f`), one of its ports (`f.cls`).",
            **known,
        },
        "references": {
            "anyOf": [{"$ref": "#/$defs/reference"}, {"type": "array", "items": {"$ref": "#/$defs/reference"}}]
        },
        **nodes,
        "block_instance": {
            "type": "object",
            "required": ["block"],
            "properties": {"block": {"type": "string", "description": "A block of this file."}},
        },
        "patch": {
            "type": "object",
            "not": {"anyOf": [{"required": ["op"]}, {"required": ["block"]}]},
            "description": "Changes a node of the file this one extends.",
        },
        "node": {
            "anyOf": [
                *({"$ref": f"#/$defs/{name}"} for name in nodes),
                {"$ref": "#/$defs/block_instance"},
                {"$ref": "#/$defs/patch"},
                {"type": "null"},
            ]
        },
    }
    defs["variant"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **body,
            "extends": {"type": "string", "description": "Another variant to start from."},
            "$replace": {"type": "boolean", "description": "Take nothing over from the parent's variant of this name."},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"graphssl {kind}",
        "type": "object",
        "additionalProperties": False,
        "required": ["graphssl", "name"],
        "properties": {
            "graphssl": {"const": 1, "description": "Version of the language."},
            "kind": {"const": kind, "description": "What the file describes: a method where it does not say."},
            "extends": {
                "type": "string",
                "description": f"A bundled {kind}, or the relative path of a file, to start from.",
                "examples": parents,
            },
            **body,
            "variants": {
                "type": "object",
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/variant"}, {"type": "null"}]},
            },
        },
        "$defs": defs,
    }


def _shared() -> dict[str, Any]:
    """Keys of every kind of file."""
    text = {"type": "string"}
    return {
        "name": {**text, "pattern": "^[A-Za-z][A-Za-z0-9_]*$", "description": "Its name."},
        "title": {**text, "description": "Its title, for people."},
        "paper": {**text, "description": "Where it was published, for example `arXiv:2002.05709`."},
        "doc": {**text, "description": "What a reader should know."},
        "params": {
            "type": "object",
            "description": "Knobs, used as `${name}`: a value, or `{default, min, max, choices, doc}`.",
        },
        "blocks": {"type": "object", "description": "Parametric sub-graphs, used as `block: name`."},
        "nodes": {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}},
    }


def _training() -> dict[str, Any]:
    """Keys of what is trained."""
    return {
        "schedules": {
            "type": "object",
            "description": "Shared schedules, used as `${schedules.name}`.",
            "additionalProperties": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/schedule"}, {"type": "null"}]},
        },
        "represent": {"$ref": "#/$defs/reference"},
        "monitors": {"type": "object", "additionalProperties": {"$ref": "#/$defs/reference"}},
        "train": {**_open(TRAIN), "description": "The recipe of training."},
    }


def _open(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A closed map in which any value may be a parameter or deleted, and nothing is required (it may be a patch)."""
    properties = {name: _patchable(field.described()) for name, field in fields.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**properties, "$replace": {"type": "boolean"}},
    }


def _replaceable(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "properties": {**schema["properties"], "$replace": {"type": "boolean"}}}


def _patchable(schema: dict[str, Any]) -> dict[str, Any]:
    notes: dict[str, Any] = {key: schema[key] for key in ("description", "default") if key in schema}
    bare = {key: value for key, value in schema.items() if key not in notes}
    return {**notes, "anyOf": [_relaxed(bare), {"$ref": "#/$defs/parameter"}, {"type": "null"}]}


def _relaxed(schema: Any) -> Any:
    """A schema for a value that may be a patch: maps need nothing, may hold parameters, `null` and `$replace`."""
    if isinstance(schema, dict):
        out = {key: _relaxed(value) for key, value in schema.items() if key not in ("required", "minProperties")}
        if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
            out["properties"] = {k: _patchable(v) for k, v in out["properties"].items()}
            out["properties"]["$replace"] = {"type": "boolean"}
        elif schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
            out["additionalProperties"] = {"anyOf": [out["additionalProperties"], {"type": "null"}]}
            out["properties"] = {"$replace": {"type": "boolean"}}
        if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
            out["items"] = {"anyOf": [out["items"], {"$ref": "#/$defs/parameter"}]}
        return out
    return [_relaxed(value) for value in schema] if isinstance(schema, list) else schema


def _node(op: type[Op], registry: Mapping[str, type[Op]]) -> dict[str, Any]:
    """The definition of one op."""
    doc = op.doc()
    properties: dict[str, Any] = {"op": {"const": op.name, "description": doc}}
    if op.inputs or issubclass(op, Link):
        named = {port: {"$ref": "#/$defs/references", "description": i.doc} for port, i in op.inputs.items()}
        wires: list[dict[str, Any]] = [{"$ref": "#/$defs/references"}]
        wires.append({"type": "object", "additionalProperties": not named, "properties": named})
        properties["in"] = {"description": "What it takes: a node, a list, or a map by input.", "anyOf": wires}
    if issubclass(op, Link):
        properties["of"] = {"$ref": "#/$defs/reference", "description": "The node whose module it calls."}
    attrs = dict(op.attrs)
    if issubclass(op, Link):  # attributes of the linked op may be overridden
        for other in registry.values():
            if other.kind == "module":
                attrs = {**other.attrs, **attrs}
    properties |= {name: _patchable(field.described()) for name, field in attrs.items()}
    if "recipe" in properties:
        properties["recipe"]["examples"] = sorted(recipe_files())
    return {
        "type": "object",
        "title": op.name,
        "description": doc.partition("\n")[0],
        "additionalProperties": False,
        "required": ["op"],
        "properties": {**properties, "$replace": {"type": "boolean"}},
    }
