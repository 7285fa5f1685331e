"""One sentence that says what matters in a diff, as a paper would."""

from __future__ import annotations

from graphssl.views.diff.compare import Diff
from graphssl.views.diff.phrases import phrases
from graphssl.views.diff.values import line, listed
from graphssl.views.diff.vocabulary import Phrase

MOST = 7
"""Phrases that a sentence holds; the details hold the rest."""


def sentence(diff: Diff) -> str:
    """`B is A without …, with …: …`; what does not fit is said to be there."""
    a, b = map(line, diff.labels)
    every = [phrase for phrase in phrases(diff) if phrase.text]
    kept = every[:MOST]
    if not diff:
        return f"{b} and {a} are the same."
    if not kept:
        return f"{b} is {a} with small changes only."
    return f"{b} is {a}{_joined(kept, len(every) > MOST)}."


def _joined(kept: list[Phrase], more: bool) -> str:
    without, clauses, having = ([p.text for p in kept if p.form == form] for form in ("without", "clause", "with"))
    found = f" without {listed(without)}" if without else ""
    found += f"{':' if without else ', where'} {' and '.join(clauses)}" if clauses else ""
    if having:
        found += ("; with " if clauses else ", and with " if without else " with ") + listed(having)
    return found + (", among smaller changes" if more else "")
