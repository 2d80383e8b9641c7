"""A target that asks for peace three times in a row is left in peace by all its callers, and not only by those it told.

Each wish (Retry-After and its like, see ``pushback``) delays the repeat of the call that was told of it.  That is all
as long as others are served.  When nobody was between three wishes, the target is overwhelmed: until the longest of
them is over no attempt begins.  Where one of several replicas refuses, three in a row come by chance, the more often
the more is asked: so a row has to be longer than chance would have it, at the share refused before, and to last as long
as answers take.  Whoever wants to make one waits, if that is over within the call's deadline, and is
refused at once if it is not.  At the end they do not come all at once: each waits a little longer, by chance, and asks
again whether a new wish has come up meanwhile.

Who says that it is asked too much, by a wish or without one, is spared the copies of slow attempts for a while: they
are load that nobody needs, and beside a limit on rates it is they that go beyond it.  That is told in successes: a busy
target that refuses one call in a thousand has some all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from unbreakable.errors import Throttled
from unbreakable.outcome import Result
from unbreakable.policies.places import come_back, pause
from unbreakable.policies.policy import Context, Inner
from unbreakable.runtime import new_lock

ENOUGH = 3  # wishes in a row
CHANCE = 1e-6  # how likely a row may be that comes by chance, where some are served and others are not
AT_MOST = 64  # wishes in a row that are enough, whatever chance would have
ANSWERS, DOUBT = 200.0, 4.0  # by so many it is known what share is refused; so many refusals prove nothing yet
IN_FLIGHT = 5.0  # seconds at most that a row has to last: by then answers begun before it are there
LONGEST = 60.0  # seconds for which all callers wait; then it is seen whether the wish still holds
SPREAD = 0.25  # share of the pause by which its end is drawn out
MOST_WAITING = 1_000  # callers of one target
SPARED, SPARED_AT_MOST = 300, 60.0  # successes, and seconds, without copies once it was asked too much


class Peace:
    """One target's wishes to be left in peace: decisions over *now*.

    >>> peace = Peace()
    >>> [peace.wish(5.0, successes=7, now=now) for now in (0.0, 1.0, 2.0)]
    [False, False, True]
    >>> peace.left(now=3.0), peace.left(now=7.0)
    (4.0, 0.0)
    """

    __slots__ = (
        "ends",
        "kept",
        "length",
        "lock",
        "nos",
        "refused",
        "row",
        "seen",
        "served",
        "since",
        "spared",
        "until",
        "waiting",
    )

    def __init__(self) -> None:
        self.row, self.seen, self.ends = 0, 0, 0.0  #: wishes in a row, answers before them, when the longest is over
        self.since, self.nos = 0.0, 0  #: when the row began; answers that are no successes
        self.served = self.refused = 0.0  #: of some 200 answers before it
        self.until, self.length = 0.0, 0.0
        self.kept = False  #: whether calls have to ask
        self.spared = 0, -math.inf  #: until how many successes, and until when at most, no copies are sent
        self.waiting = 0
        self.lock = new_lock()

    def wish(self, seconds: float, successes: int, now: float, usual: float = 0.0) -> bool:
        """Take note of a wish; return whether all callers leave the target in peace because of it, from now on.

        *successes* is how many calls of the target have succeeded by now: one since the last wish ends the row.  Most
        answers take no longer than *usual*.
        """
        with self.lock:
            if successes + self.nos != self.seen or not self.row:
                self._begin_row(successes + self.nos, now)
            self.row += 1
            self.ends = max(self.ends, now + min(seconds, LONGEST))
            if self.row < self.enough() or now - self.since < min(usual, IN_FLIGHT):
                return False
            if self.ends <= max(self.until, now):
                return False
            begins, self.kept = not self.kept, True
            self.until, self.length = self.ends, self.ends - now
            return begins

    def _begin_row(self, served: int, now: float) -> None:
        """End a row by what was *served* since; of one that was no chance no more counts than could have been one."""
        self.refused += min(self.row, self.enough() - 1)
        self.served += abs(served - self.seen)  # what others count meanwhile may be missing for a moment
        fading = min(1.0, ANSWERS / max(1.0, self.refused + self.served))
        self.refused, self.served = self.refused * fading, self.served * fading
        self.row, self.seen, self.ends, self.since = 0, served, now, now

    def enough(self) -> int:
        """Return how many wishes in a row are no chance, at the share that was refused before them."""
        refused = self.refused - DOUBT
        if refused <= 0.0:
            return ENOUGH
        wishes = math.log(CHANCE) / math.log(refused / (self.refused + self.served))
        return max(ENOUGH, min(AT_MOST, math.ceil(wishes)))

    def serve(self) -> None:
        """Take note of an answer that is no success, such as a 404: it ends the row of wishes as one does."""
        self.nos += 1

    def refuse(self, successes: int, now: float) -> None:
        """Take note that the target was asked too much, after so many *successes*."""
        self.spared = successes + SPARED, now + SPARED_AT_MOST

    def spares(self, successes: Callable[[], int], now: float) -> bool:
        """Return whether the target was asked too much of late; *successes* counts them, if need be."""
        enough, until = self.spared
        return now < until and successes() < enough

    def left(self, now: float) -> float:
        """Return how many seconds the target is left in peace yet."""
        return max(0.0, self.until - now) if self.kept else 0.0

    def end(self, now: float) -> bool:
        """Let calls pass without asking again, once the time is over; return whether this has changed anything."""
        with self.lock:
            if not self.kept or self.until > now:
                return False
            self.kept = False
            return True

    def turn(self, deadline: float, u: float) -> float:
        """Return the moment at which a caller asks again: after the end, by chance, and before its *deadline*."""
        return self.until + u * min(SPREAD * self.length, (deadline - self.until) / 2)

    def enter(self) -> bool:
        """Count one more who waits; return whether there is room."""
        with self.lock:
            if self.waiting >= MOST_WAITING:
                return False
            self.waiting += 1
            return True

    def leave(self) -> None:
        """Count one less."""
        with self.lock:
            self.waiting -= 1

    def clear(self) -> None:
        """Forget who waits: after a fork none of them comes back."""
        self.waiting = 0


class KeepPeace:
    """Begin an attempt when its target is no longer to be left in peace."""

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* when the target's peace is over; refuse it at once when that comes after the deadline."""
        peace: Peace = ctx.target.peace
        if not peace.kept or ctx.pursuit is not None:
            return await inner(ctx)
        call = ctx.whole or ctx
        if not await self._wait(peace, call):
            left = peace.left(ctx.runtime.now())
            asked = f"{ctx.node.name}: its target asked several times to be left in peace, for {left:.3f} s more"
            return ctx.refuse(Throttled(asked, retry_after=left))
        refused = await come_back(call)
        ctx.in_line = call.in_line
        return refused or await inner(ctx)

    async def _wait(self, peace: Peace, ctx: Context) -> bool:
        """Wait as long as is wished, also for wishes that come up meanwhile; return whether the attempt may begin.

        Meanwhile the call of *ctx* holds no place: a target that is left in peace is not at work for it.
        """
        if not peace.enter():
            return False
        try:
            while peace.left(ctx.runtime.now()) and not rests_longer(ctx.target.circuit, peace):
                if peace.until >= ctx.deadline:
                    return False
                seconds = peace.turn(ctx.deadline, ctx.runtime.random()) - ctx.runtime.now()
                await pause(ctx, max(0.0, seconds))  # a busy machine may have let the end pass meanwhile
        finally:
            peace.leave()
        if peace.end(ctx.runtime.now()):
            ctx.target.hurry()
        return True


def rests_longer(circuit: Any, peace: Peace) -> bool:
    """Return whether *circuit* lets nobody through for longer than that: it has the say, and says so at once."""
    return bool(circuit.shut and circuit.until >= peace.until)


KEEP_PEACE = KeepPeace()
