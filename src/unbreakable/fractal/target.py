"""Everything that is known about one target: its circuit, its places, its statistics, the plan in force."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from unbreakable.fractal.equipment import circuit_of, flow_of, gate_of, shades_of
from unbreakable.fractal.experience import Experience
from unbreakable.fractal.forecast import Forecast
from unbreakable.fractal.pile import Pile, taken
from unbreakable.fractal.signature import is_named
from unbreakable.fractal.turning_away import NO_TICKETS, count_turned_away, is_all
from unbreakable.outcome import Failure
from unbreakable.policies import Bulkhead, Circuit, CircuitBreaker, Context, Inner, Plan, compose
from unbreakable.policies.effects import Effects
from unbreakable.policies.peace import KEEP_PEACE, Peace
from unbreakable.policies.plan import OFF
from unbreakable.policies.rests import Rests
from unbreakable.runtime import ASYNCIO, Gate, Latch, new_lock
from unbreakable.stats import Arms, Counts, Decayed, Drift, Quantile, Traffic

if TYPE_CHECKING:
    from unbreakable.fractal.flow import Flow
    from unbreakable.policies.shades import Shades

COLD = 40  # successes seen before anything is learned from them
FOLD = 256  # attempts that are counted in one go, once warm
MOST_PILED = 4_096  # attempts that wait to be learned from one by one
AGE_AT = 200_000  # successes after which the older half counts half
AGE_EACH = 4_000  # the same once an hour: bad times that come now and then are not to be forgotten before
STRAIN = 10  # attempts cut, after which it is time to look whether the time limit is right
FADING = 0.995  # what an attempt that was quick leaves of the doubt in a learned limit: half of it after 140
SHARE_OF_ONE = 0.2  # weight of the last attempt after a cut one among all of them
HALF_LIFE = 60.0  # seconds after which what was seen counts half in the forecast
GUESTS: Final = "guests"  # operations that are handed to a node which speaks of its own alone
Sort: TypeAlias = Effects | Literal["guests"]
_new_tuple = tuple.__new__  # of a named one it is three times as quick
NOTHING = Quantile()  # nothing was folded in haste: most targets need no histogram for it


class Detour(NamedTuple):
    """Hold how a call by the script went: seconds of its last attempt, and of all of it; how many stood before it.

    ``alone`` are the seconds of its first attempt, where that was not the last one: ``math.inf`` if it failed, negative
    if it was given up, and would have taken longer; else 0.
    """

    attempt: float
    call: float
    after: int  #: successes by arithmetic alone that waited to be learned from then
    beside: bool = False  #: whether a copy has won, or another way than the best one
    alone: float = 0.0


Repeat = tuple[float, bool]  #: after how many seconds an attempt followed a failed one, and whether it failed, too


class Target:
    """One target of one node; with ``key`` a node has many, each with a circuit, a bulkhead and lessons of its own.

    A success at the first attempt is one ``ring.append(seconds)``: atomic with and without a GIL.  Everything else is
    derived from it later.
    """

    #: how calls come in and go out on the quick path (see there), by colour; None until one is made under this plan
    on_loops: Any
    in_threads: Any
    tickets = NO_TICKETS  #: one for each call that an open circuit may refuse before those are counted (see there)
    handed_out = 0  #: how many tickets there were when they were counted last
    faults = Pile[tuple[int, float, float, float, int]](MOST_PILED)  #: what a Fault is made of
    ages = Pile[float](MOST_PILED)  #: seconds after which attempts were given up
    beside, beside_cut, sent = (Pile[float](MOST_PILED) for _ in range(3))  #: of copies
    repeats, news = Pile[Repeat](MOST_PILED), Pile[dict[str, Any]](256)
    whole: Inner | None = None  #: the script, once it was put together, and its innermost part, one more attempt
    attempt: Inner
    when_late: Callable[[], None] | None = None  #: counts what ends after it was dropped for newer keys; None before
    counted_late = Counts()  #: what was counted so by now
    clings = False  #: whether an attempt that was cut took so long to end that its call had to wait for it
    aftermath: Any = None  #: what came after failures, once somebody learns from that
    aged_at: float | None = None  #: when what is old lost weight last
    former: Any = None  #: what was known of it before its latency drifted, for a while
    relearned = False  #: whether others have said so since this one noticed a drift
    courses: Any = None  #: how slow answers followed one another, once somebody learns from that
    first_detours = 0  #: of ``detours``, about how many succeeded by their first attempt, the way that is the best
    answered = answered_later = 0  #: first attempts, and others, that were answered by a no
    answered_calls = in_vain = (
        0  #: calls that ended so; first attempts that failed in a way that is not repeated any more
    )
    asked = heard = 0  #: how often it was asked for that is learned; how often when that was done last
    lost = 0  #: calls that failed, and not for being refused, nor by an answer such as a no
    lost_seen = 0  #: those of them that were set beside what they would have come to without us
    in_hand = 0  #: attempts that are being learned from, of which the memory has not been told yet
    lag = lead = 0.0  #: seconds that copies take to be under way; by which they are begun sooner
    is_named = staticmethod(is_named)  #: tells whether types of exceptions stand for just the sort of a failure

    def __init__(
        self, name: str, cold: Plan, layers: Callable[[Plan], tuple[list[Any], Inner]], like: Target | None = None
    ) -> None:
        self.name, self.layers, self.cold = name, layers, cold
        self.circuit: Circuit = circuit_of(cold) if like is None else like.circuit
        self.flow: Flow | None = flow_of(cold) if like is None else like.flow
        self.gate: Gate | None = like.gate if like is not None else None if self.flow is None else self.flow.gate
        self.twins: dict[Sort, Target] = {}
        self.ring: deque[float] = deque()  #: seconds of calls that succeeded by arithmetic alone
        self.detours: deque[Detour] = deque()  #: of those by the script
        self.in_haste = NOTHING  #: seconds of successes that nobody came to learn from before there were too many
        self.fold_at, self.strained_at, self.folded = COLD, STRAIN, 0
        self.lock, self.learning = new_lock(), Latch()
        self.ear: object = None  #: keeps alive what the memory calls
        self.traffic, self.drift, self.counts = Traffic(), Drift(), Counts()
        self.success_rate, self.forecast = Decayed(HALF_LIFE), Forecast(success_rate=None, p50=None, p99=None)
        self.experience: Experience = Experience() if like is None else like.experience
        self.arms: Arms = Arms() if like is None else like.arms  #: how ways to do the same job did, where there are any
        self.rests: Rests = Rests() if like is None else like.rests  #: which of them are left in peace
        self.peace: Peace = Peace() if like is None else like.peace  #: for how long it wants to be left alone
        self.circle: list[Target] = [] if like is None else like.circle  #: itself, and the same for other sorts
        self.owns_arms = like is None  #: whether it is this target that remembers them
        self.bad_seen = self.counted = 0  #: calls that went wrong, and that succeeded, as far as taken in elsewhere
        self.cuts = self.cuts_seen = 0  #: attempts that a learned limit has cut; those that were learned from
        self.slow_again = 0.0  #: share of attempts after such a cut that took longer than the limit, too, lately
        self.told = Counter[str]()  #: what of the totals the memory was told already
        self.learned_at: float | None = None  #: when something was last learned
        self.learned: dict[str, int] = {}  # background sub-operation: times run
        self.is_asleep = False  #: whether its node left its circles, to come back with the next call
        if self.flow is not None and like is None:
            self.flow.when_turned = self.hurry
        self.shades: Shades | None = shades_of(cold) if like is None else like.shades
        self.adopt(cold)
        self.circle.append(self)

    def out(self, seconds: float) -> int:
        """Return how many attempts are out for so long on event loops; those of threads are not kept."""
        return sum(age >= seconds for each in self.circle for age in ASYNCIO.ages(each, endless=True))

    def doing(self, sort: Sort, make: Callable[[str, Sort, Target], Target]) -> Target:
        """Return the same target for calls of that *sort*: of these effects, or of operations of others.

        Circuit, bulkhead and experience are the same; what is learned of the latency, and so the plan, is its own.
        """
        if sort == self.cold.effects:
            return self
        twin = self.twins.get(sort)
        return twin or self.twins.setdefault(sort, make(f"{self.name} ({sort})", sort, self))

    def adopt(self, plan: Plan) -> None:
        """Put *plan* in force: calls that begin from now on follow it."""
        self.only_refuses = is_all(self._around(plan), plan)
        with self.lock:
            if plan.concurrency is None and isinstance(plan.bulkhead, Bulkhead):
                self.gate = gate_of(plan.bulkhead, self.gate)
            self._set_pace(plan)
            self.limit, self.plan, self.whole = plan.first_look(preemptive=False), plan, None
        self.circuit.adopt(self._breaker())

    def _around(self, plan: Plan) -> list[Any]:
        around, _ = self.layers(plan)
        if self.shades is not None:
            around[-1:-1] = self.shades.at("call")
        return around

    def script(self, ctx: Context) -> Awaitable[Any]:
        """Play the script of the plan in force, which is put together when it is needed: most calls need none."""
        return (self.whole or self._put_together())(ctx)

    def _put_together(self) -> Inner:
        with self.lock:
            self.attempt = self.attempt_under(self.plan)
            self.whole = whole = compose(self._around(self.plan), self.first_answer)
        return whole

    def _breaker(self) -> CircuitBreaker:
        """Return the settings of the circuit, which all sorts share: those that rest on the most observations."""
        known = [self.plan, *(each.plan for each in tuple(self.circle) if each is not self)]
        best = max(known, key=lambda plan: (plan.breaker is not None, plan.observations))
        return best.breaker or OFF

    def attempt_under(self, plan: Plan) -> Inner:
        """Return what makes one attempt under *plan*."""
        _, attempt = self.layers(plan)
        looks: list[Any] = []
        if self.shades is not None:
            attempt, looks = compose(self.shades.at("copy"), attempt), self.shades.at("attempt")
        return compose([KEEP_PEACE, *looks], plan.around_an_attempt(attempt))

    def _set_pace(self, plan: Plan) -> None:
        """Say whether calls can be made, or turned away, by arithmetic alone.

        ``quick`` says by colour after how many seconds a call on the quick path is looked at; None: there is none.
        """
        slow = self.is_asleep or self.peace.kept or self.shades is not None
        slow = slow or (self.flow is not None and self.flow.is_shedding)
        self.lead = plan.lead(self.lag)
        looks = {colour: plan.first_look(preemptive=colour, lead=self.lead) for colour in (True, False)}
        apart = self.clings and looks[True] < math.inf
        self.quick: dict[bool, float | None] = {
            colour: look if plan.is_quick(preemptive=colour) and not (slow or (colour and apart)) else None
            for colour, look in looks.items()
        }
        self.turns_away = not slow and self.only_refuses
        self.on_loops = self.in_threads = None  # to be made anew

    def keep_apart(self) -> None:
        """Make attempts that may be overtaken in tasks of their own from now on: they take long to end when cut."""
        with self.lock:
            self.clings = True
            self._set_pace(self.plan)

    def hurry(self) -> None:
        """Let calls take the quick path, of every sort, unless the target is to be left in peace."""
        for each in tuple(self.circle):
            with each.lock:
                each._set_pace(each.plan)  # noqa: SLF001 - one of us

    def sleep(self) -> None:
        """Let the next call be played by the script."""
        with self.lock:
            self.is_asleep = True
            self._set_pace(self.plan)

    def wake(self) -> None:
        """Let calls take the quick path again."""
        with self.lock:
            self.is_asleep = False
            self._set_pace(self.plan)

    async def first_answer(self, ctx: Context) -> Any:
        """Be the innermost step of every script: the answer already in hand, else one more attempt."""
        if ctx.first is not None:
            result, ctx.first = ctx.first, None
            if result is not ctx.pursuit:
                if ctx.node.listeners:
                    from unbreakable.fractal.recounting import recount_first  # success does not pay for it

                    recount_first(ctx, result)
                return result
        if ctx.race is not None and ctx.attempt == 1:
            return await self.attempt_under(ctx.plan)(ctx)
        return await self.attempt(ctx)

    @property
    def latency(self) -> Quantile:
        """Return how long the attempts that succeeded took, as far as folded."""
        return self.traffic.ok

    def usual(self) -> float | None:
        """Return how many seconds 99 of 100 answers take, for all that is known; None before any came."""
        known = self.traffic.ok.value(0.99)
        if known is not None:
            return known
        return max((*self.ring.copy(), *(each.attempt for each in self.detours.copy())), default=None)

    @property
    def successes(self) -> int:
        """Return how many calls succeeded, at once or after healing."""
        with self.lock:
            return self.folded + len(self.ring) + len(self.detours)

    @property
    def successes_so_far(self) -> int:
        """Return ``successes`` without a lock: those that are folded at this very moment may be missing."""
        return self.folded + len(self.ring) + len(self.detours)

    def successes_of_all(self) -> int:
        """Return how many calls succeeded, those of other sorts included."""
        return sum(each.successes for each in tuple(self.circle))

    @property
    def piled(self) -> int:
        """Return how many attempts wait to be learned from."""
        begun = vars(self)
        return len(self.ring) + len(self.detours) + len(begun.get("faults", ())) + len(begun.get("ages", ()))

    def is_behind(self) -> bool:
        """Return whether it is time to learn from what has piled up."""
        return self.piled >= self.fold_at or self.cuts >= self.strained_at

    def look_ahead(self) -> None:
        """See from when on calls have to ask whether a failure is due that can be prevented."""
        self.experience.look_ahead(self.successes_of_all())
        for each in tuple(self.circle):
            each.count_down()

    def count_down(self) -> None:
        """Have those who count successes come by when there are as many as a failure is due after."""
        if self.experience.counted == math.inf:
            return
        so_far = self.successes_of_all()
        if so_far >= self.experience.counted:
            self.experience.look_ahead(so_far)
        else:
            share = (self.experience.counted - so_far) // len(self.circle)
            self.fold_at = min(self.fold_at, len(self.ring) + max(1, int(share)))

    def serves_others(self, failure: Failure, now: float) -> bool:
        """Return whether *failure* says that the target is full, while others are answered, for all that is known.

        That is asked where a limit, or a throttle, sees to it.
        """
        if self.flow is None:
            return False
        return self.flow.serves_others(failure, self.successes_of_all, now, most=self.circuit.settings.whole_rest)

    def take_detour(self, attempt: float, call: float, *, beside: bool = False, alone: float = 0.0) -> None:
        """Note a call by the script that succeeded; all in seconds, as in ``Detour``."""
        self.detours.append(_new_tuple(Detour, (attempt, call, len(self.ring), beside, alone)))
        self.count_down()
        if self.flow is not None:
            self.flow.tap.append(attempt)

    def take_successes(self) -> tuple[list[float], list[Detour], Quantile]:
        """Return what piled up in ``ring`` and ``detours``, and what was folded before; all of it is counted."""
        with self.lock:
            quick, detours = self._counted()
            in_haste, self.in_haste = self.in_haste, NOTHING
        self.count_down()
        return quick, detours, in_haste

    def learn_next_at(self, piled: int) -> None:
        """Have those who call ask for what is learned when so many attempts wait, or once it was dropped, each time."""
        self.fold_at = piled
        if self.when_late is not None:  # looked at last, since it may have been dropped at this very moment
            self.fold_at = 0

    def fold_if_behind(self) -> bool:
        """Return whether those who learn were left behind by those who call; if so, fold what waits for them.

        What takes no more room is counted all the same, with its latency; it is no longer known one by one.
        """
        if len(self.ring) + len(self.detours) < MOST_PILED:
            return False
        with self.lock:
            quick, detours = self._counted()
            if self.in_haste is NOTHING:
                self.in_haste = Quantile()
            self.in_haste.update_many(quick)
            self.in_haste.update_many(detour.attempt for detour in detours if not detour.beside)
        return True

    def _counted(self) -> tuple[list[float], list[Detour]]:
        quick, detours, self.first_detours = taken(self.ring), taken(self.detours), 0
        self.folded += len(quick) + len(detours)
        return quick, detours

    def take(self, failure: Failure, *, blamed: bool, goes_on: bool = False) -> None:
        """Note a failed attempt: one that was cut says how long it took at least; *blamed*: the target failed.

        One that *goes_on* is noted when it ends.
        """
        if goes_on:
            self.cuts += failure.soft
        elif failure.cut:
            self.cuts += failure.soft
            self.ages.append(failure.elapsed)
        elif blamed:
            self.take_fault(failure.began(0.0), failure.elapsed)

    def take_no(self, failure: Failure) -> None:
        """Count an attempt that was answered by a no, or ended in what ``Retry.on`` leaves out: none failed."""
        with self.lock:
            self.answered += failure.attempt == 1
            self.answered_later += failure.attempt > 1

    def take_fault(self, began: float, seconds: float) -> None:
        """Note an attempt, or a copy, that *began* then and failed after so many *seconds*."""
        self.faults.append((len(self.ring) + self.first_detours, began, seconds, self.circuit.relieved, self.answered))

    def take_repeat(
        self, failure: Failure, lag: float, seconds: float, again: Failure | None, *, answered: bool = False
    ) -> None:
        """Note what the attempt after a failed one came to, which began *lag* seconds after it and took so many.

        *again* is its failure, None a success; *answered* by a no it did not fail.  Cut, before or now, says nothing.
        """
        was_cut = again is not None and again.cut
        if failure.soft:
            self.slow_again += SHARE_OF_ONE * ((was_cut or seconds > failure.elapsed) - self.slow_again)
        if not (failure.cut or was_cut):
            self.repeats.append((max(0.0, lag), not (again is None or answered)))

    def take_in_vain(self) -> None:
        """Note that an attempt was late and won all the same: it was overtaken in vain."""
        self.slow_again += SHARE_OF_ONE * (1.0 - self.slow_again)

    def take_quick(self, attempts: int) -> None:
        """Let *attempts* that ended within the learned limit speak for it, as those slow again speak against it."""
        self.slow_again *= FADING**attempts

    def tally(self) -> Counts:
        """Return how calls ended; those that ended at this very moment may be missing."""
        count_turned_away(self)
        counts = Counts()
        counts.merge(self.counts)
        counts.update(ok=max(0, self.successes - counts.healed))
        return counts
