"""What one call has seen and tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from unbreakable.fractal.cases import name_of
from unbreakable.fractal.experience import NOT_YET
from unbreakable.fractal.remedies import Remedy
from unbreakable.outcome import Failure, Result


class Episode:
    """Remember, for as long as a call is healed, how often it failed by which signature and what was tried then.

    It may have failed *before* by a signature, "" for none.
    """

    __slots__ = ("candidates", "failures", "is_look", "tries")

    def __init__(self, before: str) -> None:
        self.failures = Counter([before] if before else ())
        self.tries: dict[str, Counter[str]] = {}
        self.candidates: Sequence[Remedy] = ()  #: for the latest failure
        self.is_look = False  #: whether what was chosen against it is to see whether it helps again

    def failed(self, failure: Failure, candidates: Sequence[Remedy]) -> Mapping[str, int]:
        """Take in a *failure* and what may mend it; return how often each remedy was tried against it."""
        self.failures[failure.signature] += not failure.refused
        self.candidates = candidates
        return self.tries.get(failure.signature, NOT_YET)

    def tried(self, failure: Failure, remedy: Remedy | None, mended: Remedy | None) -> None:
        """Take in that *remedy* was chosen, and that *mended* went through: None is waiting."""
        tries = self.tries.setdefault(failure.signature, Counter())
        tries.update({name_of(remedy), name_of(mended)})

    def end(self, target: Any, result: Result[Any]) -> None:
        """Let the *target* learn whether repeats are of any use."""
        if not isinstance(result, Failure):
            target.experience.healed(self.failures)
        elif self.failures[result.signature] > 1:
            target.experience.lost(result.signature, target.successes_of_all())
