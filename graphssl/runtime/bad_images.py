"""Images of the training data that could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graphssl.runtime.errors import RunError


@dataclass
class BadImages:
    """Why each could not be read, by path."""

    reasons: dict[str, str] = field(default_factory=dict)

    def note(self, bad: Iterable[tuple[str, str]], images: int, share: float) -> Iterator[str]:
        """A sentence about each new one; more than a `share` of all `images`, and more than one, end the run."""
        for path, reason in bad:
            if path not in self.reasons:
                self.reasons[path] = reason
                yield f"skipped `{path}`: {reason}; another image takes its place"
        if len(self.reasons) > max(1.0, share * images):
            name = next(iter(self.reasons))
            raise RunError(
                f"{len(self.reasons)} of {images} images cannot be read (the first: `{name}`), more than the "
                f"{share:.1%} that --max-bad allows"
            )

    def facts(self) -> dict[str, str]:
        return self.reasons

    def restore(self, facts: Mapping[str, str]) -> None:
        self.reasons = dict(facts)
