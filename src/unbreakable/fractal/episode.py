"""What one call has seen and tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from unbreakable.fractal.cases import name_of
from unbreakable.fractal.experience import NOT_YET
from unbreakable.fractal.remedies import Remedy
from unbreakable.outcome import Failure, Result

#: a try that nobody has judged: against what signature, which remedy, how often that had gone through, its seconds
Open: TypeAlias = "tuple[str, Remedy | None, int, float]"


class Episode:
    """Remember, for as long as a call is healed, how often it failed by which signature and what was tried then.

    It may have failed *before* by a signature, "" for none.
    """

    __slots__ = ("candidates", "failures", "looks", "open", "through", "tries", "under_way")

    def __init__(self, before: str, left_open: Sequence[Open] = ()) -> None:
        self.failures = Counter([before] if before else ())
        self.tries: dict[str, Counter[str]] = {}
        self.candidates: Sequence[Remedy] = ()  #: for the latest failure
        self.looks: dict[str, bool | None] = {}  #: by signature, whether it is to see if what was in vain helps by now
        self.through = (
            0  #: the number of times that what was tried last had gone through, if it served other calls, too
        )
        self.under_way: dict[str, tuple[Remedy, float]] = {}  #: what goes on and was not enough so far, and its seconds
        self.open = [*left_open]  #: tries after which the call has failed in another way: its end may judge them

    def failed(self, failure: Failure, candidates: Sequence[Remedy]) -> Mapping[str, int]:
        """Take in a *failure* and what may mend it; return how often each remedy was tried against it."""
        self.failures[failure.signature] += not failure.refused
        self.candidates = candidates
        return self.tries.get(failure.signature, NOT_YET)

    def untold(self, failure: Failure) -> None:
        """Forget that there was such a *failure*: it is told once more, and nothing was tried against it."""
        self.failures[failure.signature] -= 1

    def tried(self, failure: Failure, remedy: Remedy | None, mended: Remedy | None) -> None:
        """Take in that *remedy* was chosen, and that *mended* went through: None is waiting.

        What goes on where it stopped, such as to halve a batch, has not been tried as long as it goes through.
        """
        self.through = mended.turn.through if mended is not None and mended.turn.shared else 0
        if mended is None:
            self.under_way.pop(failure.signature, None)  # it went as far as it goes, which was told by itself
        if mended is None or not mended.goes_on:
            self.tries.setdefault(failure.signature, Counter()).update({name_of(remedy), name_of(mended)})

    def is_in_the_middle(self, signature: str) -> bool:
        """Return whether what was begun in this call against *signature* is to be seen through."""
        return bool(self.looks.get(signature)) or signature in self.under_way

    def confirm(self, target: Any, failure: Failure, mended: Remedy | None, *, worked: bool, seconds: float) -> bool:
        """Let the *target* learn from the attempt after *mended*, a try that took *seconds*; return whether it did.

        What goes on is judged as a whole: by a success, or when no attempts are left for more of it.  Calls
        that were served by the same application, and agree on it, are one verdict: it happened once.
        """
        if mended is not None and self.through and not mended.turn.is_news(self.through, worked=worked):
            return True
        _, before = self.under_way.pop(failure.signature, (None, 0.0))
        if mended is not None and mended.goes_on and not worked:
            self.under_way[failure.signature] = mended, before + seconds
            return False
        whole = before if mended is not None and mended.goes_on else 0.0
        target.experience.update(failure.signature, mended, worked=worked, seconds=whole + seconds)
        return True

    def end(self, target: Any, result: Result[Any], most: int) -> None:
        """Let the *target* learn whether repeats are of any use; a call has *most* attempts."""
        if not isinstance(result, Failure):
            target.experience.healed(self.failures)
            return
        for signature, (remedy, seconds) in self.under_way.items() if result.attempt >= most else ():
            target.experience.update(signature, remedy, worked=False, seconds=seconds)
        if self.failures[result.signature] > 1:
            target.experience.lost(result.signature, target.successes_of_all())
