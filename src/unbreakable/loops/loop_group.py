"""Loops that belong together: when one is restarted, others are, and what comes too often is met as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from unbreakable.fractal.listening import Listening
from unbreakable.log import log
from unbreakable.loops.events import GroupRecovered, GroupRestarted, GroupSurvives
from unbreakable.loops.intensity import Intensity
from unbreakable.loops.siblings import Member, Restart, there
from unbreakable.loops.status import GroupStatus
from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.runtime import BLOCKING, new_lock

if TYPE_CHECKING:
    from unbreakable.loops.loop import QuantumLoop
    from unbreakable.loops.work import Work

Together: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
MOST_RESTARTS = 1_000


class LoopGroup(Listening):
    """Restart loops together, by *strategy*, and survive together when that comes too often.

    Made by ``QuantumLoopEngine.create_group``.  ``on`` listens to GroupRestarted, GroupSurvives and GroupRecovered.
    """

    def __init__(
        self, name: str, strategy: Together, max_restarts: int, max_seconds: float, parent: LoopGroup | None
    ) -> None:
        if strategy not in get_args(Together):
            raise refuse("strategy", f"one of {', '.join(map(repr, get_args(Together)))}", strategy)
        check.whole("max_restarts", max_restarts, least=0)
        if max_restarts > MOST_RESTARTS:
            raise refuse("max_restarts", f"{MOST_RESTARTS:,} at most", max_restarts)
        check.seconds("max_seconds", max_seconds, positive=True)
        self.name, self.strategy, self.parent = name, strategy, parent
        self.lock = new_lock()  #: for all groups within one
        self._intensity = Intensity(max_restarts, max_seconds)
        self._children: dict[Member | LoopGroup, None] = {}  #: in the order in which they were made
        self._survivors: dict[Member, None] = {}  #: whose good iterations end survival mode
        self._survives_since: float | None = None
        self._restarts = self._escalations = 0
        self._latest: str | None = None
        if parent is not None:
            self.lock = parent.lock
            with self.lock:
                parent.take_in(self)

    # ── what people see ─────────────────────────────────────────────────────────────────────────────────────────────

    def get_loops(self) -> tuple[QuantumLoop, ...]:
        """Return the loops of this group and of those within it, in the order in which they were made."""
        with self.lock:
            return tuple(member.loop for member in self.members())

    def get_status(self) -> GroupStatus:
        """Return how the group is doing at this moment."""
        with self.lock:
            children, now = list(self._children), BLOCKING.now()
            return GroupStatus(
                name=self.name,
                strategy=self.strategy,
                parent=None if self.parent is None else self.parent.name,
                loops=tuple(each.name for each in children if isinstance(each, Member)),
                groups=tuple(each.name for each in children if isinstance(each, LoopGroup)),
                max_restarts=self._intensity.most,
                max_seconds=self._intensity.seconds,
                restarts=self._restarts,
                recent_restarts=self._intensity.recent(now),
                escalations=self._escalations,
                surviving=any(group.is_surviving for group in self._line()),
                latest_restart=self._latest,
            )

    # ── who belongs to it ───────────────────────────────────────────────────────────────────────────────────────────

    def add(self, loop: QuantumLoop, work: Work) -> None:
        """Let *loop*, which does its *work*, be one of the group, after those that are in it."""
        work.member = Member(self, loop, work)
        with self.lock:
            self.take_in(work.member)

    def take_in(self, child: Member | LoopGroup) -> None:
        """Give *child* the last place; the lock is held."""
        self._children[child] = None

    def let_go(self, member: Member) -> None:
        """Let *member* be none of the group any more."""
        with self.lock:
            self._children.pop(member, None)
        member.gone(BLOCKING.now())

    def members(self) -> Iterator[Member]:
        """Yield the loops of this group and those within it, in order; the lock is held."""
        for each in self._children:
            yield from (each,) if isinstance(each, Member) else each.members()

    def _line(self) -> Iterator[LoopGroup]:
        group: LoopGroup | None = self
        while group is not None:
            yield group
            group = group.parent

    def those_with(self, child: Member | LoopGroup) -> list[Member]:
        """Return who is restarted when *child* is, in order."""
        if self.strategy == "one_for_all":
            return list(self.members())
        found = [child]
        if self.strategy == "rest_for_one":
            for each in reversed(self._children):
                if each is child:
                    break
                found.append(each)
            found[1:] = reversed(found[1:])
        return [member for each in found for member in ([each] if isinstance(each, Member) else each.members())]

    # ── restarts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, member: Member, why: str, now: float) -> Restart | None:
        """Return the restart that follows from that of *member*, None where each is for itself; the lock is held."""
        if member not in self._children or any(group.is_surviving for group in self._line()):
            member.restarts += 1
            return None
        group, child, survives = self, member, False  # type: LoopGroup, Member | LoopGroup, bool
        while group._is_one_too_many(f"loop {member.name}: {why}", now):
            if group.parent is None:
                survives = True
                break
            group, child = group.parent, group
        members = there(group.members() if survives else group.those_with(child), member)
        if survives:
            group.survive(members, now)
        return Restart(group, member, why, members, now, survives=survives)

    def survive(self, members: list[Member], now: float) -> None:
        """Survive from *now* on until each of *members* has proven itself; the lock is held."""
        self._survives_since, self._survivors = now, dict.fromkeys(members)

    def _is_one_too_many(self, why: str, now: float) -> bool:
        self._restarts += 1
        self._latest = why
        if not self._intensity.exceeded_at(now):
            return False
        self._escalations += 1
        self._intensity.clear()
        return True

    def restarted(self, restart: Restart, now: float) -> None:
        """Tell that *restart* was carried out."""
        for each in restart.members:
            each.tell(restart, now)
        by, why = restart.by.name, restart.why
        if restart.survives:
            most, seconds = self._intensity.most, self._intensity.seconds
            log("group %s survives: more than %d restarts in %g s, now loop %s: %s", self.name, most, seconds, by, why)
        if self.listeners:
            self.tell(GroupRestarted(at=now, node=self.name, by=by, why=why, loops=len(restart.members)))
            if restart.survives:
                self.tell(GroupSurvives(at=now, node=self.name, by=by, why=why))

    # ── survival ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_surviving(self) -> bool:
        """Whether one of its loops is still to prove that it is well; the lock is held."""
        while self._survivors:
            member = next(iter(self._survivors))
            if member.has_to_prove_itself:
                return True
            del self._survivors[member]
        return False

    def proven(self, member: Member, now: float) -> None:
        """Take note that *member* is well, or will not show it."""
        with self.lock:
            self._survivors.pop(member, None)
            since = self._survives_since
            if since is None or self.is_surviving:
                return
            self._survives_since = None
        log("group %s is itself again", self.name)
        if self.listeners:
            self.tell(GroupRecovered(at=now, node=self.name, seconds=now - since))
