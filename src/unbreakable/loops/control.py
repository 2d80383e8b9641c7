"""What a loop does next: run, wait or end; and what becomes of the ticks that it does not run.

Wishes (pause, resume, trigger, stop) may come from any thread at any moment; the loop itself asks ``decide`` before
each step, and says ``ended`` after each iteration.  The rules, first match wins:

    stop wished, or all iterations done      End
    trigger wished                           Run now, outside the grid; also when paused
    paused                                   Wait until something is wished; ticks meanwhile are skipped
    as many are at work as may be at once    Wait until one has ended
    the loop rests                           Wait until it has rested
    a tick waits for its turn, or is due     Run the first of these
    otherwise                                Wait until the next tick

Ticks that come due while an iteration is in progress are the business of *overlap*; those that had come due when
nobody was awake, on a suspended machine or a blocked event loop, are that of *missed*, but for the latest of them,
which runs late, unless it is by the calendar and too late.  The ticks of the rest of a loop that fails are skipped; a
trigger is not held up by it.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from unbreakable.loops.decisions import NO_CUT, Cut, Decision, End, Run, Wait
from unbreakable.loops.ledger import Book, Fate, Ledger
from unbreakable.loops.schedule import EARLY, Schedule, Tick
from unbreakable.policies.check import refuse
from unbreakable.runtime import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from unbreakable.loops.calendar import Calendar
    from unbreakable.loops.checkpoint import Checkpoint
    from unbreakable.loops.timing import Timing

MOST_WAITING = 1_000  # ticks
ASLEEP = "nobody was awake at the time"
AWAY = "the program was not running"
RESTED = "the loop was failing, and rested"

Overlap: TypeAlias = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
MOST_BESIDE = 100  # iterations at work at once, where all may be
MAKE_ROOM = ("cancel_other", "terminate_other")
Missed: TypeAlias = Literal["skip", "run_once_now", "replay_all"]
Begin: TypeAlias = "Callable[[float], Schedule | Calendar]"  # ticks from an origin on


class Control:
    """Decide what one run of a loop, from its start to its end, does next, and keep *book* of all of its ticks.

    *most* is the number of iterations allowed, ``math.inf`` for ever.  ``news`` is True when something was wished after
    the latest decision, which then is out of date.
    """

    __slots__ = (
        *("at_work", "beside", "book", "idle_since", "is_done", "is_over", "is_wanted", "keeps_line"),
        *("late_because", "latest", "left", "lock", "made_room", "missed", "most", "news", "number", "overlap"),
        *("paused", "rests_until", "schedule", "seen", "stopping", "triggered", "waiting", "was_paused", "works"),
    )

    def __init__(
        self,
        schedule: Schedule | Calendar,
        most: float,
        book: Book | None = None,
        *,
        paused: bool = False,
        overlap: Overlap = "skip",
        missed: Missed = "skip",
    ) -> None:
        self.schedule, self.overlap, self.missed = schedule, overlap, missed
        self.most = self.left = most
        self.book = Book() if book is None else book
        self.paused = self.was_paused = paused
        self.stopping = self.triggered = self.news = self.works = self.is_done = self.is_over = False
        self.made_room = False  #: whether an iteration was cut for the tick that came due then
        self.rests_until = self.idle_since = -math.inf
        self.latest = -math.inf  #: when the latest tick was, of those before the loop had other ones
        self.number = -1  #: of the latest tick that was run
        self.seen = 0  #: the first tick that is not due yet, as far as anybody has looked
        self.waiting: deque[int] = deque()  #: ticks that are due, and have their turn one after the other
        self.at_work: Tick | None = None
        self.beside: dict[int, Tick | None] = {}  #: iterations that go on beside each other, by their places
        self.is_wanted = True  #: whether another process is to go on, should this one end
        self.keeps_line = False  #: whether it can, with the ticks that wait
        self.late_because = ASLEEP  #: why ticks that are seen late were not seen at their time
        self.lock = new_lock()

    def go_on(self, kept: Checkpoint) -> None:
        """Begin where an earlier process stood, with the ticks that it had."""
        self.seen, self.number, self.late_because = kept.seen, kept.number, AWAY
        if kept.most is not None and kept.left is not None:
            self.left = max(0, self.most - (kept.most - kept.left))
        for first, past in kept.waiting:
            self.waiting.extend(range(first, past))

    # ── wishes: the wish first, then the news of it ──────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Wish that no further iteration begins."""
        self.stopping = True
        self.news = True

    def pause(self, paused: bool) -> None:
        """Wish that ticks are skipped from now on, or no longer."""
        self.paused = paused
        self.news = True

    def trigger(self) -> None:
        """Wish one iteration as soon as none is in progress; several wishes for it are one."""
        self.triggered = True
        self.news = True

    def reconfigure(self, timing: Timing, now: float, pause: float, begin: Begin | None) -> None:
        """Wish to go by *timing* from *now* on, where a failing loop rests for *pause*.

        *begin* returns other ticks than there were, for their origin: it is one interval after the latest tick, or now,
        if that is over, or a tick is due.  So a loop comes to its turn however often it is reconfigured.
        """
        with self.lock:
            if self.is_over:
                return
            self._look(now)
            self.overlap, self.missed = timing.overlap, timing.missed
            self.rests_until = min(self.rests_until, now + pause)
            if begin is not None:
                origin = self._next_origin(timing, now)
                self._drop("the loop was given other ticks")
                self.schedule, self.seen, self.number = begin(origin), 0, -1
        self.news = True

    def _next_origin(self, timing: Timing, now: float) -> float:
        if self.seen:
            self.latest = now if self.schedule.is_endless_run else self.schedule.moment(self.seen - 1)
        is_due = bool(self.waiting) and not self.works
        if timing.times is not None:
            return min(now, self.latest) if is_due else now
        return now if is_due else max(now, self.latest + timing.interval)

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def decide(self, now: float) -> Decision:
        """Return what to do at *now*; a Run is taken as begun."""
        self.news = False
        with self.lock:
            self._look(now)
            self.late_because = ASLEEP
            if self.stopping or self.left <= 0:
                if not self.keeps_line:
                    self._drop("the loop ended first")
                self.is_done = True  # what comes due while the last iterations end is no tick any more
                return End(finished=not self.stopping)
            is_busy = self.is_busy
            if self.triggered and not is_busy:
                self.triggered = False
                return self._run(None)
            if self.paused or is_busy:
                return Wait(math.inf)
            if self._rests(now):
                moment = self._next_moment(now)
            elif self.waiting or self.schedule.is_endless_run:
                return self._run(self._next_waiting(now))
            else:
                moment = self.schedule.moment(self.seen)  # all before it were looked at just now
            return Wait(max(0.0, min(self.schedule.look_again, moment - now)))

    def ended(
        self, fate: Fate, now: float, reason: str = "", rests_until: float = -math.inf, place: int | None = None
    ) -> None:
        """Note how the iteration in progress ended, and that ticks before *rests_until* are to be skipped.

        It is the one at *place*, if others go on beside it.
        """
        with self.lock:
            self.made_room = fate is Fate.INTERRUPTED and self.overlap in MAKE_ROOM
            if place is None or self.is_busy:  # else who decides looks, or each end would have one more tick wait
                self._look(now)
            self.made_room = False
            if place is None:
                tick, self.at_work, self.works = self.at_work, None, False
                self.rests_until = rests_until
            else:
                tick, self.news = self.beside.pop(place, None), True
                self.rests_until = max(self.rests_until, rests_until)
            self.idle_since = now
            if tick is not None:
                self.book.note(tick.epoch, tick.number, tick.number + 1, fate, reason)

    def cut(self) -> Cut:
        """Return when the iteration that begins now is to make room for the next tick."""
        if self.overlap not in MAKE_ROOM or self.paused or self.left <= 0 or self.schedule.is_endless_run:
            return NO_CUT
        return Cut(self.schedule.moment(self.seen), f"tick {self.seen} came due", self.overlap == "cancel_other")

    @property
    def goes_on(self) -> bool:
        """Whether another process may go on when this one ends the loop."""
        return self.is_wanted and self.left > 0

    def close(self, now: float) -> None:
        """Note that the loop has ended, whatever it was at."""
        if self.works:
            self.ended(Fate.INTERRUPTED, now, reason="the loop was ended")
        for place in list(self.beside):
            self.ended(Fate.INTERRUPTED, now, reason="the loop was ended", place=place)
        with self.lock:
            if not self.is_over:
                self._look(now)  # a pause or a rest may be cut, and nobody has counted its ticks
            if not (self.goes_on and self.keeps_line):
                self._drop("the loop ended first")
            self.is_over = True

    # ── as others see it ─────────────────────────────────────────────────────────────────────────────────────────────

    def next_moment(self, now: float) -> float:
        """Return when the next iteration is to begin, as far as one can know: *now* if a tick waits for its turn."""
        with self.lock:
            return self._next_moment(now)

    def _next_moment(self, now: float) -> float:
        if self.waiting or self.schedule.is_endless_run:
            return max(now, self.rests_until)
        return self.schedule.moment(max(self.seen, self.schedule.before(max(now, self.rests_until))))

    def overdue(self, now: float) -> float:
        """Return for how many seconds an iteration should have begun that nobody begins."""
        with self.lock:
            if (
                self.works
                or self.is_busy
                or self.paused
                or self.was_paused
                or self.stopping
                or self.is_over
                or self.left <= 0
            ):
                return 0.0
            first = 0
            if not self.schedule.is_endless_run:
                first = self.waiting[0] if self.waiting else max(self.seen, self.schedule.before(self.rests_until))
            return max(0.0, now - max(self.schedule.moment(first), self.rests_until, self.idle_since))

    def ledger(self, now: float) -> Ledger:
        """Return what became of all ticks up to *now*."""
        seen = self._as_of(now)
        return seen.book.ledger(len(seen.waiting) + len(seen.ticks_at_work))

    def explain(self, number: int, now: float) -> str:
        """Say what became of tick *number*, and why; ConfigurationError for what is no number."""
        if not isinstance(number, int):
            raise refuse("number", "the number of a tick, from 0 on", number)
        seen = self._as_of(now)
        if number >= seen.seen:
            return f"tick {number} has not come yet"
        if number in seen.waiting:
            return f"tick {number} waits for its turn"
        if any((number, seen.schedule.epoch) == (tick.number, tick.epoch) for tick in seen.ticks_at_work):
            return f"tick {number} is at work"
        stretch = seen.book.find(seen.schedule.epoch, number)
        return f"tick {number} is too long ago" if stretch is None else f"tick {number}: {stretch.text}"

    def _as_of(self, now: float) -> Control:
        """Return what this would be, had it looked at the ticks *now*."""
        with self.lock:
            seen = copy.copy(self)
            seen.book, seen.waiting, seen.beside = self.book.copy(), self.waiting.copy(), self.beside.copy()
            if not self.is_over:
                seen._look(now)  # noqa: SLF001 - one of us; the calendar is the same for both, and knows no threads
        return seen

    @property
    def is_busy(self) -> bool:
        """Whether as many iterations go on beside each other as may: one, since the loop was told not to."""
        return bool(self.beside) and len(self.beside) >= (MOST_BESIDE if self.overlap == "allow_all" else 1)

    @property
    def ticks_at_work(self) -> list[Tick]:
        """The ticks whose iterations are in progress."""
        return [tick for tick in (self.at_work, *self.beside.values()) if tick is not None]

    @property
    def is_restless(self) -> bool:
        """Whether the next iteration may follow without a wait."""
        return self.triggered or self.schedule.is_endless_run or bool(self.waiting)

    # ── ticks ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, now: float) -> None:
        """Decide about the ticks that have come due since somebody has last looked."""
        if self.is_done:
            return
        may_be_due = self.schedule.look(now, self.seen)
        paused, self.was_paused = self.was_paused, self.paused
        if not may_be_due:
            return
        if paused or self.paused or self.works or self.beside or self.rests_until > -math.inf:
            self._look_closely(now, paused=paused)
        else:
            self._late(self.schedule.due(now), now)

    def _look_closely(self, now: float, *, paused: bool) -> None:
        """Decide about them where anything but waiting for them was done; it was *paused* until now."""
        if paused or (self.paused and not self.works):
            self._pass_over(self.schedule.before(now), Fate.PAUSED, "the loop was paused")
        elif self.works or self.is_busy:
            self._overlap(self.schedule.before(now))
        elif self._rests(now):
            self._pass_over(self.schedule.due(now), Fate.BACKED_OFF, RESTED)
        elif self.rests_until > -math.inf:
            self._pass_over(self.schedule.before(self.rests_until), Fate.BACKED_OFF, RESTED)
        if not (self.paused or self.works or self.is_busy or self._rests(now)):
            self._late(self.schedule.due(now), now)

    def _rests(self, now: float) -> bool:
        return now < self.rests_until - EARLY

    def _pass_over(self, upto: int, fate: Fate, reason: str) -> None:
        """Let the ticks before number *upto* end in *fate*."""
        self.book.note(self.schedule.epoch, self.seen, upto, fate, reason)
        self.seen = max(self.seen, upto)

    def _queue(self, upto: int) -> None:
        """Let the ticks before number *upto* wait for their turn."""
        self.waiting.extend(range(self.seen, upto))
        self.seen = max(self.seen, upto)

    def _overlap(self, upto: int) -> None:
        """Do with the ticks before number *upto*, which came due during an iteration, what *overlap* says."""
        if upto <= self.seen:
            return
        room = {"buffer_one": 1, "buffer_all": MOST_WAITING}.get(self.overlap, int(self.made_room)) - len(self.waiting)
        self._queue(min(upto, self.seen + max(0, room)))
        if self.overlap == "buffer_all":
            self._pass_over(upto, Fate.DROPPED, f"{MOST_WAITING:,} others waited for their turn")
        else:
            self._pass_over(upto, Fate.SKIPPED_OVERLAP, self._what_was_in_progress())

    def _late(self, upto: int, now: float) -> None:
        """Let the latest tick before number *upto* have its turn, and those before it what *missed* says."""
        if upto <= self.seen:
            return
        grace = self.schedule.grace
        if grace < math.inf and self.missed == "skip" and now - self.schedule.moment(upto - 1) > grace:
            self._pass_over(upto, Fate.SKIPPED_MISSED, self.late_because)
            return
        if upto == self.seen + 1 and not self.waiting:
            self.waiting.append(self.seen)  # what most often is so
            self.seen = upto
            return
        kept = MOST_WAITING - len(self.waiting) if self.missed == "replay_all" else 1
        self._pass_over(max(self.seen, upto - max(1, kept)), Fate.SKIPPED_MISSED, self.late_because)
        self._queue(upto)

    def _next_waiting(self, now: float) -> Tick:
        if self.waiting:
            number = self.waiting.popleft()
        else:  # there is always one more
            number, self.seen = self.seen, self.seen + 1
        return self.schedule.tick(number, now, missed=number - self.number - 1)

    def _what_was_in_progress(self) -> str:
        if len(self.beside) >= MOST_BESIDE:
            return f"{MOST_BESIDE} iterations were in progress"
        return f"{'an iteration' if self.at_work is None else f'that of tick {self.at_work.number}'} was in progress"

    def _run(self, tick: Tick | None) -> Run:
        # From here on the next tick is a matter of arithmetic: nothing that the work does can lose it.
        self.left -= 1
        if tick is not None:
            self.number = tick.number
        if self.overlap == "allow_all":
            place = next(number for number in range(MOST_BESIDE) if number not in self.beside)
            self.beside[place] = tick
            return Run(tick, place)
        self.works, self.at_work = True, tick
        return Run(tick)

    def _drop(self, reason: str) -> None:
        while self.waiting:
            number = self.waiting.popleft()
            self.book.note(self.schedule.epoch, number, number + 1, Fate.DROPPED, reason)
