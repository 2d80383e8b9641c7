"""Loops that belong together are restarted together: by the rules of OTP's supervisors, for what never ends.

    what happens                                what follows
    ─────────────────────────────────────────   ─────────────────────────────────────────────────────────────────────
    a loop is refreshed by its ladder, or       it has been restarted: by the strategy of its group others are, too,
    its worker has died, or was killed          once its iteration has ended
    others are to be restarted                  no iteration of theirs begins; those in progress are cut, the latest
                                                made first, and have the grace of any cut
    all of these have ended, or their grace     in the order in which they were made: paths anew, the state as of the
    is over                                     latest good iteration; then all go on with their ticks
    an iteration goes on beyond its grace       nobody waits for it longer: its loop has its restart when it ends
    meanwhile another of them asks for the      nothing: it has just been restarted
    same
    a loop that was restarted by another's      nothing, that once: it had what it asks for, and failed on
    fault comes to its own refresh, without
    three good iterations in between
    more restarts than the group's intensity    the group itself has failed: it is restarted as a part of the group
                                                around it; without one it survives: longest pause, probes, substitutes
    the group survives                          each for itself, until each has proven itself by good iterations

Nothing here waits: whoever was the last to end carries the restart out, or the first to find its time over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unbreakable.log import log
from unbreakable.loops.decisions import Run, Wait
from unbreakable.loops.events import LoopRestarted
from unbreakable.loops.ladder import GOOD
from unbreakable.loops.path import grace_after
from unbreakable.loops.reins import Reins

if TYPE_CHECKING:
    from unbreakable.loops.control import Control
    from unbreakable.loops.decisions import Decision
    from unbreakable.loops.iteration import Iteration
    from unbreakable.loops.loop import QuantumLoop
    from unbreakable.loops.loop_group import LoopGroup
    from unbreakable.loops.path import Path
    from unbreakable.loops.work import Work

SLACK = 0.05  # seconds by which what was cut may end later than its grace
LOOK_AGAIN = 0.05  # seconds between two looks at a restart that another thread carries out
LATE = "its group was being restarted"


class Restart:
    """A restart of *members*, in the order in which they were made, since member *by* was, or asked for it."""

    __slots__ = ("by", "group", "is_under_way", "members", "survives", "until", "waiting", "why")

    def __init__(
        self, group: LoopGroup, by: Member, why: str, members: list[Member], now: float, *, survives: bool
    ) -> None:
        self.group, self.by, self.why, self.members, self.survives = group, by, why, members, survives
        self.waiting = {each for each in members if each.busy and each is not by}  #: for these: they are at work
        self.until = now + SLACK + max((each.grace for each in self.waiting), default=0.0)
        self.is_under_way = False
        for each in members:
            each.restart = self

    def left(self, now: float) -> float:
        """Return for how many seconds its members are still to wait."""
        return LOOK_AGAIN if self.is_under_way else self.until - now

    def begin(self) -> Restart:
        """Be carried out now, whoever is still at work; the lock of the tree is held."""
        self.is_under_way = True
        for each in self.waiting:
            each.owes = self
        return self

    def cut(self) -> None:
        """Cut what is at work, the latest made first."""
        for each in reversed(self.members):
            if each in self.waiting:
                each.cut(self)

    def carry_out(self, now: float) -> None:
        """Make all anew that is idle, in order, let all go on, and tell of it."""
        for each in self.members:
            if each not in self.waiting:
                each.renew(self, now)
        with self.group.lock:
            for each in self.members:
                if each.restart is self:
                    each.restart = None
        for each in self.members:
            each.wake()
        self.group.restarted(self, now)


class Member:
    """The place of one loop, which does its *work*, in its *group*; of its methods each says who calls it."""

    __slots__ = ("_asks", "busy", "group", "is_fresh", "loop", "owes", "restart", "restarts", "survives", "work")

    def __init__(self, group: LoopGroup, loop: QuantumLoop, work: Work) -> None:
        self.group, self.loop, self.work = group, loop, work
        self.restarts = 0  #: how many it had, its own and those with others
        self.forget()

    def forget(self) -> None:
        """Have nothing in progress: at the end of the loop's life, and in a forked child."""
        self.busy = 0  #: iterations that are at work, or are about to begin
        self.is_fresh = False  #: whether it was restarted by another's fault, and has proven nothing since
        self.survives: LoopGroup | None = None  #: the group that survives until this one is well
        self.restart: Restart | None = None  #: for which it waits, and begins nothing
        self.owes: Restart | None = None  #: which it makes up for when it is idle
        self._asks: str | None = None  #: why others are to be restarted

    @property
    def name(self) -> str:
        """The loop's name."""
        return self.loop.name

    @property
    def grace(self) -> float:
        """The seconds that an iteration has for its clean-up after a cut."""
        return grace_after(self.work.node.target.plan.deadline)

    @property
    def is_there(self) -> bool:
        """Whether its loop goes on, so that there is something to restart."""
        life = self.loop.life
        return life is not None and life.carrier.is_alive and not life.control.stopping

    @property
    def has_to_prove_itself(self) -> bool:
        """Whether its loop will show by its iterations that it is well."""
        life = self.loop.life
        return self.is_there and life is not None and not life.control.paused and life.control.left > 0

    # ── the life of its loop asks, between two iterations ───────────────────────────────────────────────────────────

    def decide(self, now: float) -> Decision:
        """Return what its loop does at *now*; whoever is told to Run is busy until it ``leaves``."""
        life = self.loop.life
        assert life is not None  # noqa: S101 - it asks
        control = life.control
        held = self._held(now, control)
        if held:
            return Wait(held)
        decision = None
        try:
            decision = control.decide(now)
        finally:
            if not isinstance(decision, Run):
                self.leaves(now)
        return decision

    def _held(self, now: float, control: Control) -> float:
        """Return for how many seconds nothing may begin; 0.0: it is busy from now on."""
        with self.group.lock:
            restart = self.restart
            if restart is None or control.stopping:
                self.busy += 1
                return 0.0
            control.news, control.late_because = False, LATE
            left = restart.left(now)
            if left > 0:
                return left
            restart.begin()
        restart.carry_out(now)
        return self._held(now, control)

    def leaves(self, now: float) -> None:
        """Be idle; do what follows from what has just ended."""
        with self.group.lock:
            self.busy = max(0, self.busy - 1)  # one that was cut at the end of the loop may come late
            asks, self._asks, owed = self._asks, None, None
            begun = self.group.begin(self, asks, now) if asks and self.restart is None else None
            if not self.busy:
                owed, self.owes = self.owes, None
            ready = self._settled()
            recovered = self.survives if self.survives and not self.work.is_surviving else None
        if recovered is not None:
            self.survives = None
            recovered.proven(self, now)
        if owed is not None:
            self.renew(owed, now)
        if begun is not None:
            begun.cut()
        if ready is not None:
            ready.carry_out(now)

    def gone(self, now: float) -> None:
        """Have nothing at work, at the begin and the end of its loop's life: nobody waits for it."""
        survives = self.survives
        with self.group.lock:
            self.busy, self._asks, self.owes = 0, None, None
            ready = self._settled()
        self.is_fresh, self.survives = False, None
        if survives is not None:
            survives.proven(self, now)
        if ready is not None:
            ready.carry_out(now)

    def _settled(self) -> Restart | None:
        """Return the restart that can be carried out since this one is idle; the lock is held."""
        restart = self.restart
        if restart is None or restart.is_under_way:
            return None
        if not self.busy:
            restart.waiting.discard(self)
        return None if restart.waiting else restart.begin()

    # ── its work tells ──────────────────────────────────────────────────────────────────────────────────────────────

    def begins(self, work: Work, iteration: Iteration, path: Path) -> None:
        """Have what cuts *iteration* of *work*, which begins on *path*."""
        iteration.reins = Reins(path.losses, work.paths.refreshed)
        restart = self.restart
        if restart is not None and restart.by is not self:  # it has begun meanwhile
            self.cut(restart)

    def concluded(self, work: Work, iteration: Iteration, path: Path) -> None:
        """Take in how *iteration* of *work* ended on *path*: whether it was a restart, and others are to follow."""
        ladder, reins, tally = work.ladder, iteration.reins, work.tally
        error = iteration.trouble or (tally.last_error if tally.consecutive_errors else "nothing was at work")
        if ladder.good >= GOOD:
            self.is_fresh = False
        if reins is not None and path.lost() > reins.lost:
            self._asks = f"its worker was replaced: {error}"
        elif reins is not None and work.paths.refreshed > reins.refreshed:
            if not self.is_fresh:
                self._asks = f"it was refreshed after failure {ladder.failures} in a row: {error}"
            self.is_fresh = False

    # ── a restart, wherever it is carried out ───────────────────────────────────────────────────────────────────────

    def cut(self, restart: Restart) -> None:
        """Cut what is at work, from any thread."""
        for each in self.work.all():
            iteration = each.own
            if iteration is not None and iteration.reins is not None:
                iteration.reins.cut(f"loop {restart.by.name} was restarted, and this one with it", self.grace)

    def renew(self, restart: Restart, now: float) -> None:
        """Be restarted; nothing of it is at work, and nothing begins."""
        life = self.loop.life
        try:
            if self is not restart.by:
                for each in self.work.all():
                    each.paths.refresh()
                self.work.slate.reset()
            if restart.survives and life is not None:
                for each in self.work.all():
                    each.healer.survive(f"its group {restart.group.name} survives: {restart.why}", now)
                with life.control.lock:
                    life.control.rests_until = max(life.control.rests_until, now + self.work.ladder.pause)
                self.survives = restart.group
        except Exception:  # what the user keeps in the state may raise when it is copied
            log("loop %s was restarted with its group, but not all of it", self.name, exc_info=True)
        self.restarts += 1
        self.is_fresh = self is not restart.by

    def wake(self) -> None:
        """Let its loop look again."""
        life = self.loop.life
        if life is not None:
            life.control.news = True
            life.wake()

    def tell(self, restart: Restart, now: float) -> None:
        """Tell who listens to the loop that it was restarted."""
        node = self.work.node
        if node.listeners:
            group, by = restart.group.name, restart.by.name
            node.tell(LoopRestarted(at=now, node=node.name, group=group, by=by, why=restart.why))


def there(members: Iterable[Member], by: Member) -> list[Member]:
    """Return those of *members* that go on, and *by* itself."""
    return [each for each in members if each is by or each.is_there]
