"""YAML text -> located tree.

PyYAML finds the tokens; what they mean is decided here, so that YAML's surprises are out: `on` and `12:30` are
strings, `1e-3` is a number, duplicate keys, tags, merge keys and runaway aliases are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from graphssl.language.diagnostics import Finding, GraphError, Source, Span
from graphssl.language.limits import MAX_BYTES, MAX_DEPTH, MAX_FINDINGS, MAX_NUMBER, MAX_VALUES, MAX_WORD
from graphssl.language.tree import Entry, Mapping, Scalar, Sequence, Tree, weight

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(source: Source) -> Mapping:
    """The located tree of one YAML text; raises GraphError when it is not a map in strict YAML."""
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise GraphError([Finding("file-too-large", f"the text is longer than {MAX_BYTES:,} bytes", _start(source))])
    tree = _Reader(source).document()
    if not isinstance(tree, Mapping):
        raise GraphError([Finding("not-a-map", "a graph file is a map of keys, got something else", tree.span)])
    return tree


def read_value(source: Source) -> Tree:
    """The located tree of one value, such as the right side of `--set`."""
    return _Reader(source).document()


def scalar_value(text: str) -> bool | int | float | str | None:
    """What a plain (unquoted) YAML word means here."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= 40:
        if _INT.fullmatch(text):
            return int(text)
        if _HEX.fullmatch(text):
            return int(text, 16)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def _start(source: Source) -> Span:
    return Span(source, 1, 1, 1, 2)


class _Reader:
    """Turns one stream of YAML events into a tree."""

    def __init__(self, source: Source):
        self.source = source
        self.pieces = 0
        self.findings: list[Finding] = []
        self.anchors: dict[str, tuple[Tree, int]] = {}
        self.events: Iterator[Any] = iter(())

    def document(self) -> Tree:
        try:
            if self.source.text.count("\n%") > MAX_DEPTH:  # the parser compares each with all before
                self._fail("yaml-syntax", "the text has more directives (`%`) than any needs", _start(self.source))
            self.events = yaml.parse(self.source.text, Loader=_LOADER)
            self._next(yaml.StreamStartEvent)
            if isinstance(event := next(self.events), yaml.StreamEndEvent):
                self._fail("empty-file", "the text holds no YAML", _start(self.source))
            tree = self._tree(next(self.events), 0)
            self._next(yaml.DocumentEndEvent)
            if not isinstance(event := next(self.events), yaml.StreamEndEvent):
                self._fail("several-documents", "one text holds one document, a second starts here", self._span(event))
            if self.findings:
                raise GraphError(self.findings)
            return tree
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            span = self._point(mark.line, mark.column) if mark else _start(self.source)
            problem = error.problem or error.context or "not YAML"
            raise GraphError([Finding("yaml-syntax", problem.lower(), span, help=_syntax_help(problem))]) from None
        except yaml.reader.ReaderError as error:
            message = f"character {error.character!r} is not allowed in YAML"
            line = self.source.text.count("\n", 0, error.position)
            column = error.position - (self.source.text.rfind("\n", 0, error.position) + 1)
            raise GraphError([Finding("yaml-syntax", message, self._point(line, column))]) from None
        except UnicodeEncodeError:
            raise GraphError([Finding("yaml-syntax", "the text is not valid Unicode", _start(self.source))]) from None

    def _next(self, kind: type) -> Any:
        event = next(self.events)
        assert isinstance(event, kind), f"this is a bug in graphssl: {event} is no {kind}"
        return event

    def _tree(self, event: Any, depth: int) -> Tree:
        span = self._span(event)
        if depth > MAX_DEPTH:
            self._fail("too-deep", f"values are nested more than {MAX_DEPTH} deep", span)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, span)
        if event.tag is not None and not (isinstance(event, yaml.ScalarEvent) and event.tag == "!"):
            self._fail("yaml-tag", f"tag `{event.tag}` is not allowed", span, "write the bare value")
        before = self.pieces
        tree = self._untagged(event, span, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (tree, self.pieces - before)
        return tree

    def _untagged(self, event: Any, span: Span, depth: int) -> Tree:
        self._count(weight(event.value) if isinstance(event, yaml.ScalarEvent) else 1, span)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, span)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                items.append(self._tree(event, depth + 1))
            return Sequence(tuple(items), self._joined(span, event))
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, key_span = self._key(event)
            if key in entries:
                also = (entries[key].key_span, "first written here")
                message = f"key `{key}` is written twice"
                self.findings.append(
                    Finding("duplicate-key", message, key_span, help="remove one of the two", also=also)
                )
                if len(self.findings) >= MAX_FINDINGS:
                    raise GraphError(self.findings)
            entries[key] = Entry(key, key_span, self._tree(next(self.events), depth + 1))
        return Mapping(entries, self._joined(span, event))

    def _key(self, event: Any) -> tuple[str, Span]:
        span = self._span(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._fail("key-not-a-word", "a key must be a plain word", span)
        if len(event.value) > MAX_WORD:
            self._fail("key-not-a-word", f"a key has at most {MAX_WORD} characters, got {len(event.value):,}", span)
        self._count(weight(event.value), span)
        if event.value == "<<" and not event.style:
            self._fail("merge-key", "merge keys (`<<`) are not allowed", span, "use `extends`, `blocks` or `like`")
        return event.value, span

    def _scalar(self, event: Any, span: Span) -> Scalar:
        if event.style:  # quoted: always a text
            return Scalar(event.value, span, event.value)
        value = scalar_value(event.value)
        if isinstance(value, int | float) and abs(value) > MAX_NUMBER:
            self._fail("number-too-large", f"`{event.value}` is beyond ±{MAX_NUMBER:g}", span)
        return Scalar(value, span, event.value)

    def _alias(self, event: Any, span: Span) -> Tree:
        if event.anchor not in self.anchors:
            self._fail("yaml-syntax", f"alias `*{event.anchor}` names no anchor that is complete here", span)
        tree, size = self.anchors[event.anchor]
        self._count(size, span)
        return tree

    def _count(self, more: int, span: Span) -> None:
        self.pieces += more
        if self.pieces > MAX_VALUES:
            self._fail("too-many-values", f"the text expands to more than {MAX_VALUES:,} values", span)

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self.source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _joined(self, start: Span, end_event: Any) -> Span:
        end = end_event.end_mark
        return Span(self.source, start.line, start.column, end.line + 1, end.column + 1)

    def _point(self, line: int, column: int) -> Span:
        last = max(len(self.source.lines), 1)
        if line >= last:  # the end of the file: point behind its last line
            line, column = last - 1, len(self.source.lines[-1]) if self.source.lines else 0
        return Span(self.source, line + 1, column + 1, line + 1, column + 2)

    def _fail(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        raise GraphError([Finding(code, message, span, help=help)])


def _syntax_help(problem: str) -> str | None:
    if "mapping values are not allowed" in problem:
        return "quote a text that contains `: `, and indent nested keys with spaces"
    if "cannot start any token" in problem:
        return "indent with spaces, and quote texts that begin with a special character"
    if "did not find expected" in problem or "expected" in problem:
        return "look for a missing bracket, comma, quote, or wrong indentation just before this place"
    return None
