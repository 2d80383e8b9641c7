"""Which rung of healing a failing loop tries next, and how long it rests; it never gives up.

    failures in a row   rung                  what is done
    ─────────────────   ───────────────────   ─────────────────────────────────────────────────────────────────
    –                   known_remedy          within the iteration, its node applies what is known to help
    3                   adaptive_backoff      the pause doubles with each further failure, up to a cap
    5                   safe_state_reset      the state is again what it was after the last good iteration
    8                   quantum_refresh       the execution paths are discarded and made anew
    13                  survival_mode         longest pause; a substitute, if there is one, takes turns with probes
    18, 23, 28, …       both resets again     so that what survives is not kept down by what it has kept

GOOD good iterations in a row are the proof that all is well: the rung in force has worked, survival mode is over, and
the loop is back on its grid.  On the way there each good iteration halves the pause.

This table is what is believed of a failure that nothing is known of, and the latest moment at which each rung is tried.
What was learned of a failure (``lessons``) comes before: a rung before its turn, a rest in advance.  The ladder keeps
the place in the table that it would have without it, by the intervals that have passed.  So a rung that is tried in
vain delays nothing, and after a rest in advance all that would have had its turn meanwhile is tried at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from unbreakable.loops.lessons import SURVIVED, Choice, Lesson, Lessons, in_order
from unbreakable.loops.rungs import FIRST, LAST, STEPS, TURNS, Rung
from unbreakable.loops.spell import Spell
from unbreakable.loops.status import Healing, KnownFailure, Tries

GOOD = 3  # good iterations in a row that are taken as proof
SHORTEST = 0.0005  # seconds: what doubles when a loop without an interval fails, so that it does not eat a core
MOST_STRETCH = 16  # a failing loop is slowed down to a sixteenth of its pace at most,
LONGEST = 60.0  # and to one iteration in so many seconds; one that is slower anyway keeps its own pace
AGAIN = 5  # failures between two resets in survival mode
RESETS = (Rung.SAFE_STATE_RESET, Rung.QUANTUM_REFRESH)
ALMOST = 1e-6  # of an interval


class Ladder:
    """Decide for a loop that runs every *interval* seconds; count what was tried and what has worked.

    A refresh takes *cold* seconds; *turns* is 2 where a substitute takes turns with probes.
    """

    __slots__ = (
        "_ahead",
        "_cold",
        "_gap",
        "_lessons",
        "_rest",
        "_spell",
        "_turns",
        "_was_substituted",
        "failures",
        "good",
        "in_force",
        "interval",
        "level",
        "longest",
        "probes_next",
        "stretch",
        "surviving",
        "tries",
    )

    def __init__(self, interval: float, *, cold: float = 0.0, turns: int = 1) -> None:
        self.keep_pace(interval)
        self.tries: dict[Rung, Tries] = {}
        self._cold, self._turns = cold, turns
        self._lessons: Lessons | None = None
        self.start()

    def start(self) -> None:
        """Begin with all patience; what was counted, and learned, is kept."""
        self.failures = self.good = 0
        self.level = 0  #: the place in the table: the failures in a row that there would be without rests in advance
        self.stretch = 1
        self.surviving = self.probes_next = self._was_substituted = False
        self.in_force: Rung | None = None
        self._ahead = 0.0  # intervals by which the table's next iteration is nearer than its pause says
        self._rest = 0.0  # intervals, in advance
        self._gap = 1.0  # intervals before the first good iteration
        self._spell: Spell | None = None

    def keep_pace(self, interval: float) -> None:
        """Reckon the pauses of a loop that runs every *interval* seconds from now on."""
        self.interval = max(interval, SHORTEST)
        self.longest = max(self.interval, min(MOST_STRETCH * self.interval, LONGEST))

    @property
    def lessons(self) -> Lessons:
        """What is known of failures."""
        if self._lessons is None:
            self._lessons = Lessons()
        return self._lessons

    @property
    def known(self) -> Lessons | None:
        """What is known of failures, if anything."""
        return self._lessons

    def share(self, other: Ladder) -> None:
        """Know, and learn, what *other* does."""
        self._lessons = other.lessons

    def learn(self, text: str) -> int:
        """Begin with what another process has learned, in place of what is known; return the version of that."""
        self._lessons = Lessons()
        self._lessons.absorb(text)
        return self._lessons.version

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def failed(self, signature: str | None = None, now: float = 0.0) -> tuple[Rung, ...]:
        """Note a failed iteration; return the rungs whose turn it is: ``tried`` is to be told of those that could be.

        Nothing is learned of a failure without a *signature*.
        """
        waited = self._waited if self.level else 1.0
        self._note(signature, now, waited)
        self.failures += 1
        self.good = 0
        behind = waited - self._step
        self._rest, self.probes_next, self._was_substituted = 0.0, False, False
        rungs = self._climb()
        while self.level < LAST and behind > self._step - ALMOST:
            behind -= self._step
            rungs += self._climb()
        self._ahead = behind if behind > ALMOST and self.level < LAST else 0.0
        if self.surviving and rungs and self.level < LAST:
            self.probes_next = True  # their turn is over already: one sees at once whether they have helped
        return tuple(dict.fromkeys(rungs))

    def _note(self, signature: str | None, now: float, waited: float) -> None:
        if self._spell is None:
            if signature is None:
                return
            self._spell = Spell(self.lessons, now)
        elif not self.good:
            self._spell.took += waited
        self._spell.failed(signature)

    def _climb(self) -> list[Rung]:
        """Take the table's next step; return the rungs whose turn it is."""
        self.level += 1
        self._ahead = 0.0
        rung = STEPS.get(self.level)
        backed_off = self.stretch > 1
        if self.level >= FIRST and self.stretch * self.interval < self.longest:
            self.stretch *= 2
        if self.surviving:
            again = self.level >= LAST and (self.level - LAST) % AGAIN == 0
            return list(RESETS) if again else [rung] if rung in RESETS else []
        self.in_force = Rung.ADAPTIVE_BACKOFF if backed_off else None
        nothing_new = rung is Rung.ADAPTIVE_BACKOFF and (backed_off or self.stretch == 1)
        return [] if rung is None or nothing_new else [rung]

    def promising(self) -> list[Choice]:
        """Return what is worth being tried for the latest failure before its turn, the worthiest first."""
        spell = self._spell
        lesson = None if spell is None else spell.lesson
        if spell is None or lesson is None or self.surviving:
            return []
        sooner = {rung: self._until(rung) for rung in RESETS if self.level < TURNS[rung] and not spell.has_tried(rung)}
        found = lesson.promising(sooner, self._cold / self.interval)
        if not spell.was_rested:
            rest = lesson.resting(self._step, self.longest / self.interval, self._turns)
            found += [] if rest is None else [(rest[0], rest[2])]
        return in_order(found)

    def tried(self, rung: Rung, rest: float = 0.0) -> None:
        """Count *rung* as tried, with a *rest* in advance, and hold it for the one in force, unless the loop survives.

        What is tried in survival mode is not what it will be ended by.
        """
        self._count(rung, tried=1)
        if rung is Rung.KNOWN_REMEDY:
            return
        if self._spell is not None:
            self._spell.tried(rung)
        if rest:
            self._rests(rest)
        if not self.surviving:
            self.in_force = rung
            self.surviving = rung is Rung.SURVIVAL_MODE

    def _rests(self, rest: float) -> None:
        spell = self._spell
        lesson = None if spell is None else spell.lesson
        choice = None if lesson is None else lesson.resting(self._step, self.longest / self.interval, self._turns)
        if spell is not None and lesson is not None and choice is not None:
            spell.rests(lesson, choice[1])
            self._rest = rest

    def survive(self) -> None:
        """Go into survival mode whatever the table says; good iterations of before prove nothing."""
        self.good, self._rest = 0, 0.0
        self.tried(Rung.SURVIVAL_MODE)

    def worked(self, rung: Rung) -> None:
        """Count *rung* as having worked."""
        self._count(rung, worked=1)

    def succeeded(self, now: float = 0.0) -> Rung | None:
        """Note a good iteration; return the rung that this proves to have worked, if any."""
        if self._spell is not None and not self.good:
            self._gap = self._waited
            self._spell.took += self._gap
            self._spell.well(now)
        self.failures = self.level = 0
        self._rest, self._ahead, self._was_substituted = 0.0, 0.0, False
        self.good += 1
        if self.stretch > 1:
            self.stretch //= 2
        if self.good < GOOD:
            return None
        if self._spell is not None:
            self._spell.healed(self._gap, survived=self.surviving)
            self._spell = None
        proven, self.in_force = self.in_force, None
        self.stretch, self.surviving = 1, False
        if proven is not None:
            self.worked(proven)
        return proven

    def substituted(self) -> None:
        """Note that the substitute ran: the next turn is the operation's, as a probe."""
        self.probes_next = self._was_substituted = True

    def _count(self, rung: Rung, *, tried: int = 0, worked: int = 0) -> None:
        before = self.tries.get(rung, Tries(0, 0))
        self.tries[rung] = Tries(before.tried + tried, before.worked + worked)

    # ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pause(self) -> float:
        """The least seconds between this iteration and the next; 0.0 as long as the loop keeps its pace."""
        if self.surviving:
            return 0.0 if self.good else self.longest
        if self._rest:
            return min(self.longest, self._rest * self.interval)
        return self._step * self.interval if self.stretch > 1 else 0.0

    @property
    def substitutes(self) -> bool:
        """Whether it is the substitute's turn."""
        return self.surviving and not self.good and not self.probes_next

    @property
    def probes(self) -> bool:
        """Whether the operation, if it is its turn, is only asked whether it is well again."""
        return self.surviving and not self.good

    @property
    def _step(self) -> float:
        """The intervals up to the next iteration by the table."""
        return min(self.longest / self.interval, self.stretch) - self._ahead

    @property
    def _waited(self) -> float:
        """The intervals that the loop has rested before this iteration."""
        return max(1.0, self.pause / self.interval) * (2 if self._was_substituted else 1)

    def _until(self, rung: Rung) -> float:
        """Return the intervals from now to the turn of *rung* by the table."""
        most, stretch, total = self.longest / self.interval, self.stretch, -self._ahead
        for level in range(self.level + 1, TURNS[rung] + 1):
            total += min(most, stretch)
            if level >= FIRST and stretch < most:
                stretch *= 2
        return total

    def healing(self) -> Healing:
        """Return how often each rung was tried and has worked."""
        return healing_of(self.tries)

    def known_failures(self) -> tuple[KnownFailure, ...]:
        """Return what was learned of failures, what came last at the end."""
        return () if self._lessons is None else tuple(_known(*each) for each in self._lessons.every())


def healing_of(tries: Mapping[Rung, Tries]) -> Healing:
    """Return the counts of all rungs."""
    return Healing(**{rung.value: tries.get(rung, Tries(0, 0)) for rung in Rung})


def _known(signature: str, lesson: Lesson) -> KnownFailure:
    scores = dict(lesson.scores)
    worked = sum(score.worked for score in scores.values())
    return KnownFailure(
        signature=signature,
        healing=healing_of({rung: Tries(score.tried, score.worked) for rung, score in scores.items()}),
        seconds=sum(score.seconds for score in scores.values()) / worked if worked else None,
        rest=math.inf if lesson.rest >= SURVIVED else lesson.rest,
    )
