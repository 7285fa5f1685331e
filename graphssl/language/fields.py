"""The kinds of values a key may have: each checks a located value, reads it, and gives its JSON Schema.

A field is declared once, where a key is declared (an op's signature, the `train:` table); messages, schema, docs and
defaults all come from it. Leaf values are validated by the jsonschema library against the very schema editors get.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as ABCMapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphssl.language.diagnostics import Finding, Span, did_you_mean
from graphssl.language.limits import MAX_LIST
from graphssl.language.schedule import DURATION_SCHEMA, Duration, Piece, Schedule, drops, duration
from graphssl.language.tree import Mapping, Scalar, Tree, at, plain, shown, unresolved

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "required"})()
INVALID: Any = type("Invalid", (), {"__repr__": lambda self: "invalid"})()

Report = Callable[[Finding], None]


@dataclass(frozen=True)
class Field:
    """Base of all kinds. `role` says who uses an op's attribute: its build, its call, or the wiring alone.

    neutral: it changes what a step costs and no number, so that a run may go on with another value.
    """

    doc: str = ""
    default: Any = REQUIRED
    role: str = "call"
    neutral: bool = field(default=False, kw_only=True)

    def schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def described(self) -> dict[str, Any]:
        """The schema with doc and default, as an editor shows it."""
        extra: dict[str, Any] = {"description": self.doc} if self.doc else {}
        if self.default is not REQUIRED and self.default is not None and not callable(self.default):
            extra["default"] = self.default
        return {**self.schema(), **extra}

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        """The value, or INVALID after reporting why not."""
        raise NotImplementedError


def refuse(report: Report, code: str, message: str, span: Span, help: str | None = None) -> Any:
    report(Finding(code, message, span, help=help))
    return INVALID


@dataclass(frozen=True)
class Leaf(Field):
    """A value that one small JSON Schema describes; `expected` says it in words."""

    json: dict[str, Any] = field(default_factory=dict, hash=False)
    expected: str = "a value"
    convert: Callable[[Any], Any] = field(default=lambda value: value, hash=False)

    def schema(self) -> dict[str, Any]:
        return self.json

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match

        if unresolved(tree):
            return INVALID
        value = plain(tree)
        error = best_match(Draft202012Validator(self.json).iter_errors(value))
        if error is None:
            try:
                return self.convert(value)
            except (ValueError, OverflowError):
                return refuse(report, "wrong-value", f"`{name}` expects {self.expected}, got {shown(tree)}", tree.span)
        place = at(tree, list(error.absolute_path))
        got = shown(place)
        code, help = "wrong-value", None
        if choices := self.json.get("enum"):
            help = did_you_mean(str(value), [str(c) for c in choices])
        elif error.validator == "type":
            code = "wrong-type"
        return refuse(report, code, f"`{name}` expects {self.expected}, got {got}", place.span, help)


@dataclass(frozen=True)
class Later(Field):
    """A value that is read later, when what it depends on is known: stays a located tree."""

    json: dict[str, Any] = field(default_factory=dict, hash=False)

    def schema(self) -> dict[str, Any]:
        return self.json

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        return tree


@dataclass(frozen=True)
class Scheduled(Field):
    """A number, or a schedule of the optimizer step."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    base: float | None = None

    @property
    def expected(self) -> str:
        low = "" if self.minimum is None else f" ≥ {self.minimum:g}"
        low = low if self.above is None else f" > {self.above:g}"
        high = "" if self.maximum is None else f" ≤ {self.maximum:g}"
        return f"a number{' and'.join(part for part in (low, high) if part)}"

    def number_schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "exclusiveMinimum": self.above}
        return {"type": "number", **{key: value for key, value in bounds.items() if value is not None}}

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.number_schema(), {"$ref": "#/$defs/schedule"}]}

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        if isinstance(tree, Mapping):
            return read_schedule(tree, name, self, report)
        words = f"{self.expected} or a schedule"
        return Leaf(json=self.number_schema(), expected=words, convert=float).read(tree, name, report)


_SHAPES = ("constant", "linear", "cosine", "warmup", "steps")
SCHEDULE_SCHEMA: dict[str, Any] = {
    "description": "A number over time, a pure function of the optimizer step.",
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "constant": {"type": "number", "description": "This value for the rest, or for `over`."},
        "linear": {"$ref": "#/$defs/ramp"},
        "cosine": {"$ref": "#/$defs/ramp"},
        "warmup": {**DURATION_SCHEMA, "description": "Rise linearly from 0 to the first value of `then`."},
        "steps": {
            "type": "object",
            "description": "Multiply by `factor` at each place of `at`.",
            "additionalProperties": False,
            "required": ["at", "factor"],
            "properties": {
                "from": {"type": "number"},
                "at": {"type": "array", "items": DURATION_SCHEMA, "minItems": 1, "maxItems": MAX_LIST},
                "factor": {"type": "number"},
            },
        },
        "over": DURATION_SCHEMA,
        "then": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/schedule"}]},
        "every": {"enum": ["epoch", "step"], "description": "How often the value moves."},
    },
}
RAMP_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["to"],
    "properties": {"from": {"type": "number"}, "to": {"type": "number"}, "over": DURATION_SCHEMA},
}


def read_schedule(tree: Mapping, name: str, limits: Scheduled, report: Report) -> Any:
    """A `Schedule`; `limits.base` is where a schedule without `from` starts (the learning rate has one)."""
    problems: list[Finding] = []
    pieces = _pieces(tree, name, limits.base, problems.append)
    every = tree.get("every")
    if every is not None:
        Leaf(json={"enum": ["epoch", "step"]}, expected="`epoch` or `step`").read(
            every, f"{name}.every", problems.append
        )
    for problem in problems:
        report(problem)
    if problems or not pieces:  # what a number could not be read from was reported where it stands
        return INVALID
    schedule = Schedule(tuple(pieces), every_epoch=every is not None and plain(every) == "epoch")
    for value in schedule.values():
        probe = Leaf(json=limits.number_schema(), expected=limits.expected)
        if probe.read(Scalar(value, tree.span, f"{value:g}"), name, report) is INVALID:
            return INVALID
    return schedule


def _pieces(tree: Tree, name: str, start: float | None, report: Report) -> list[Piece]:
    """The stretches of one schedule map and everything behind its `then`."""
    number = Leaf(json={"type": "number"}, expected="a number", convert=float)
    if isinstance(tree, Scalar):
        value = number.read(tree, name, report)
        return [] if value is INVALID else [Piece("constant", value, value, None)]
    if not isinstance(tree, Mapping):
        refuse(report, "bad-schedule", f"`{name}` expects a schedule, got {shown(tree)}", tree.span)
        return []
    for entry in tree:
        if entry.key not in (*_SHAPES, "over", "then", "every"):
            help = did_you_mean(entry.key, (*_SHAPES, "over", "then", "every"))
            refuse(report, "unknown-key", f"a schedule has no key `{entry.key}`", entry.key_span, help)
            return []
    shapes = [key for key in _SHAPES if key in tree]
    if len(shapes) != 1:
        message = f"`{name}` must hold one of `cosine`, `linear`, `constant`, `steps`, `warmup`, got {len(shapes)}"
        refuse(report, "bad-schedule", message, tree.span, "write, for example, `{cosine: {from: 0.99, to: 1}}`")
        return []
    shape, body = shapes[0], tree.entries[shapes[0]].value
    then = tree.get("then")
    length = _duration(tree.get("over"), f"{name}.over", report)
    if shape == "constant":
        value = number.read(body, name, report)
        head = [] if value is INVALID else [Piece("constant", value, value, length)]
    elif shape == "warmup":
        return _warmup(body, then, name, start, tree.span, report)
    elif shape == "steps":
        head = _drops(body, name, start, report)
    else:
        head = _ramp(shape, body, name, start, length, report)
    if then is None:
        return head
    if isinstance(then, Mapping) and "every" in then:
        help = f"write `every` beside `{shape}`: it holds for the whole schedule"
        refuse(report, "bad-schedule", f"`{name}` has an `every` inside its `then`", then.span, help)
        return []
    if head and head[-1].over is None and "over" not in tree:
        help = "say how long the first part lasts, for example `over: 30ep`"
        refuse(report, "bad-schedule", f"`{name}` never reaches its `then`", then.span, help)
    return head + _pieces(then, name, head[-1].end if head else start, report)


def _warmup(body: Tree, then: Tree | None, name: str, base: float | None, span: Span, report: Report) -> list[Piece]:
    length = _duration(body, f"{name}.warmup", report)
    if then is None:
        if base is None:
            refuse(report, "bad-schedule", f"`{name}` warms up to nothing", span, "add `then:` with what follows")
            return []
        rest = [Piece("constant", base, base, None)]
    else:
        rest = _pieces(then, name, base, report)
    if not rest or length is None:
        return []
    return [Piece("linear", 0.0, rest[0].start if rest[0].start is not None else 0.0, length), *rest]


def _ramp(
    shape: str, body: Tree, name: str, start: float | None, length: Duration | None, report: Report
) -> list[Piece]:
    number = Leaf(json={"type": "number"}, expected="a number", convert=float)
    duration_field = Leaf(json=DURATION_SCHEMA, expected=_DURATION_WORDS, convert=duration, default=None)
    fields = {"from": _with_default(number, start), "to": number, "over": duration_field}
    values = read_fields(body, fields, f"{name}.{shape}", report)
    if values is INVALID:
        return []
    if values["from"] is None:
        help = f"write `{shape}: {{from: …, to: {values['to']:g}}}`"
        refuse(report, "bad-schedule", f"`{name}.{shape}` does not say where it starts", body.span, help)
        return []
    return [Piece(shape, values["from"], values["to"], values["over"] or length)]


def _drops(body: Tree, name: str, start: float | None, report: Report) -> list[Piece]:
    number = Leaf(json={"type": "number"}, expected="a number", convert=float)
    places = Leaf(
        json={"type": "array", "items": DURATION_SCHEMA, "minItems": 1, "maxItems": MAX_LIST},
        expected=f"a list of at most {MAX_LIST} durations such as `[120ep, 160ep]`",
        convert=lambda texts: [duration(text) for text in texts],
    )
    fields = {"from": _with_default(number, start), "at": places, "factor": number}
    values = read_fields(body, fields, f"{name}.steps", report)
    if values is INVALID:
        return []
    if values["from"] is None:
        refuse(report, "bad-schedule", f"`{name}.steps` does not say where it starts", body.span, "add `from:`")
        return []
    ordered = [place.value for place in values["at"]]
    if len({place.unit for place in values["at"]}) > 1 or ordered != sorted(set(ordered)):
        message = f"`{name}.steps.at` expects rising places in one unit"
        refuse(report, "bad-schedule", message, body.span)
        return []
    return list(drops(values["from"], values["at"], values["factor"]))


_DURATION_WORDS = "a duration such as `10ep`, `500steps` or `5%`"


def _duration(tree: Tree | None, name: str, report: Report) -> Duration | None:
    if tree is None:
        return None
    value = Leaf(json=DURATION_SCHEMA, expected=_DURATION_WORDS, convert=duration).read(tree, name, report)
    return None if value is INVALID else value


def _with_default(leaf: Leaf, default: Any) -> Leaf:
    return replace(leaf, default=default)


@dataclass(frozen=True)
class Group(Field):
    """A closed map of named fields."""

    fields: ABCMapping[str, Field] = field(default_factory=dict, hash=False)

    def schema(self) -> dict[str, Any]:
        required = [name for name, f in self.fields.items() if f.default is REQUIRED]
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: f.described() for name, f in self.fields.items()},
            **({"required": required} if required else {}),
        }

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        return read_fields(tree, self.fields, name, report)


@dataclass(frozen=True)
class MapOf(Field):
    """A map with free names and one kind of value."""

    value: Field = field(default_factory=Field)
    names: ABCMapping[str, Field] | None = field(default=None, hash=False)
    what: str = "a map"

    def schema(self) -> dict[str, Any]:
        if self.names is not None:
            props = {name: f.described() for name, f in self.names.items()}
            return {"type": "object", "additionalProperties": False, "properties": props}
        return {"type": "object", "additionalProperties": self.value.schema()}

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        if not isinstance(tree, Mapping):
            return refuse(report, "wrong-type", f"`{name}` expects {self.what}, got {shown(tree)}", tree.span)
        if len(tree.entries) > MAX_LIST:
            message = f"`{name}` holds at most {MAX_LIST}, got {len(tree.entries):,}"
            return refuse(report, "wrong-value", message, tree.span)
        values: dict[str, Any] = {}
        for entry in tree:
            kind = self.value if self.names is None else self.names.get(entry.key)
            if kind is None:
                help = did_you_mean(entry.key, self.names or ())
                refuse(report, "unknown-key", f"`{name}` has no key `{entry.key}`", entry.key_span, help)
                values[entry.key] = INVALID
            else:
                values[entry.key] = kind.read(entry.value, f"{name}.{entry.key}", report)
        return INVALID if any(value is INVALID for value in values.values()) else values


@dataclass(frozen=True)
class Either(Field):
    """A short form (scalar or list) or a long form (map)."""

    short: Field = field(default_factory=Field)
    long: Field = field(default_factory=Field)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.short.schema(), self.long.schema()]}

    def read(self, tree: Tree, name: str, report: Report) -> Any:
        kind = self.long if isinstance(tree, Mapping) else self.short
        return kind.read(tree, name, report)


def read_fields(tree: Tree, fields: ABCMapping[str, Field], name: str, report: Report, what: str = "") -> Any:
    """All values of a closed map, defaults filled in; INVALID if any was refused."""
    if not isinstance(tree, Mapping):
        return refuse(report, "wrong-type", f"`{name}` expects a map, got {shown(tree)}", tree.span)
    ok = True
    for entry in tree:
        if entry.key not in fields:
            help = did_you_mean(entry.key, fields)
            refuse(report, "unknown-key", f"{what or f'`{name}`'} has no key `{entry.key}`", entry.key_span, help)
            ok = False
    values: dict[str, Any] = {}
    for key, kind in fields.items():
        given = tree.get(key)
        if given is not None:
            values[key] = kind.read(given, f"{name}.{key}" if name else key, report)
            ok = ok and values[key] is not INVALID
        elif kind.default is REQUIRED:
            message = f"{what or f'`{name}`'} lacks `{key}`"
            refuse(report, "missing-key", message, tree.span, f"add `{key}:` — {kind.doc}" if kind.doc else None)
            ok = False
        else:
            values[key] = kind.default
    return values if ok else INVALID


# Short names for declaring fields.


def text(default: Any = REQUIRED, doc: str = "", role: str = "build") -> Leaf:
    return Leaf(doc, default, role, {"type": "string", "minLength": 1}, "a text")


def flag(default: Any = REQUIRED, doc: str = "", role: str = "build") -> Leaf:
    return Leaf(doc, default, role, {"type": "boolean"}, "`true` or `false`")


def choice(*choices: Any, default: Any = REQUIRED, doc: str = "", role: str = "build") -> Leaf:
    words = " or ".join(f"`{c}`" for c in choices) if len(choices) < 4 else f"one of {', '.join(map(str, choices))}"
    return Leaf(doc, default, role, {"enum": list(choices)}, words)


def integer(
    default: Any = REQUIRED, doc: str = "", role: str = "build", minimum: int = 1, maximum: int = 2**40
) -> Leaf:
    words = f"a whole number ≥ {minimum}" + (f" and ≤ {maximum}" if maximum < 2**40 else "")
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Leaf(doc, default, role, schema, words, int)


def number(
    default: Any = REQUIRED,
    doc: str = "",
    role: str = "build",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
) -> Leaf:
    probe = Scheduled(minimum=minimum, maximum=maximum, above=above)
    return Leaf(doc, default, role, probe.number_schema(), probe.expected, float)


def scheduled(
    default: Any = REQUIRED,
    doc: str = "",
    role: str = "call",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
) -> Scheduled:
    return Scheduled(doc, default, role, minimum, maximum, above)


def widths(default: Any = REQUIRED, doc: str = "", role: str = "build") -> Leaf:
    schema = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 2**24}}
    return Leaf(doc, default, role, schema, "a list of widths such as `[2048, 128]`", lambda v: [int(x) for x in v])


def length(default: Any = REQUIRED, doc: str = "", role: str = "wiring") -> Leaf:
    return Leaf(doc, default, role, DURATION_SCHEMA, _DURATION_WORDS, duration)
