"""What a run remembers from step to step besides tensors, so that a checkpoint can give it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from graphssl.runtime.errors import RunError


class Memory(Protocol):
    """A part of the run that is not the same at every step."""

    def facts(self) -> Any:
        """All of it as JSON, for a checkpoint."""
        ...

    def restore(self, facts: Any) -> None:
        """What `facts` gave."""
        ...


@dataclass(frozen=True)
class Scaler:
    """The loss scale of fp16."""

    scaler: Any

    def facts(self) -> Any:
        return self.scaler.state_dict()

    def restore(self, facts: Any) -> None:
        self.scaler.load_state_dict(facts)


def remember(memory: Mapping[str, Memory], facts: Mapping[str, Any]) -> None:
    """Give every part what was saved of it. A part that the checkpoint does not know starts anew."""
    for name in memory.keys() & facts.keys():
        try:
            memory[name].restore(facts[name])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise RunError(
                f"the checkpoint is damaged: what it says of `{name}` is not what a run writes ({error})"
            ) from None
