"""LEARN: store what happened, find the patterns in it, improve the settings.

Only ``record`` happens while a call waits, and it is a few additions.  The rest is ``learn``, which runs in the thread
for chores, once in a while: one at a time for each target.  It breathes between its steps, so that an event loop which
has something to do waits half a millisecond for the interpreter, and not until all is learned.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unbreakable.events import PlanPublished
from unbreakable.fractal.drifting import Former, detect_drift, former_of, relearn
from unbreakable.fractal.forecast import Forecast
from unbreakable.fractal.pile import taken_from
from unbreakable.fractal.ports import Chooser, Memory
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.target import AGE_AT, AGE_EACH, COLD, FOLD, MOST_PILED, STRAIN, Target
from unbreakable.outcome import Result, Success
from unbreakable.policies import Context, Plan
from unbreakable.policies.timeout import learned_limit
from unbreakable.runtime import BLOCKING, Runtime, breathe
from unbreakable.runtime.chore import quietly
from unbreakable.stats import Arms, Traffic

if TYPE_CHECKING:
    from unbreakable.fractal.batch import Batch

HOUR = 3_600.0  # seconds
GROWN, NEW = 1.25, 5_000  # a plan is made anew when what it rests on has grown by so much, or so many attempts
LEARNED = ("retry", "timeout", "hedge", "breaker")  # policies that a plan tells of
LATE = 3.0  # times the 99th percentile of what is known is no more than slow
PATIENCE = 1.0  # seconds that whoever is learning at this moment has to hand on what came of it
STRETCH = 2.0  # a learned time limit that cuts more attempts than it lets end is so many times too short


# ── store ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def record(node: Any, ctx: Context, result: Result[Any]) -> None:
    """Count how the call ended; see to it that what piled up is learned from."""
    if isinstance(result, Success) and result.degraded is None:
        record_success(node, ctx, result.elapsed, ctx.runtime.now(), beside=result.beside)
        return
    target: Target = ctx.target
    with target.lock:
        if isinstance(result, Success):
            target.counts.degraded += 1
        else:
            target.counts.failed += 1
        target.lost += ctx.lost
        target.answered_calls += ctx.told_no
    node.bear(ctx)
    if target.is_behind():
        learn_soon(node, target, ctx.runtime)


def record_success(node: Any, ctx: Context, seconds: float, now: float, *, beside: bool = False) -> None:
    """Count a call whose last attempt, or a copy *beside* it, succeeded *now*, after so many *seconds*."""
    target: Target = ctx.target
    alone = ctx.first_came_to
    if ctx.attempt > 1:
        with target.lock:
            target.counts.healed += 1
        alone = alone if alone < 0 else math.inf
    target.first_detours += ctx.attempt == 1 and not beside
    target.experience.worked_at = now - seconds
    target.take_detour(seconds, now - ctx.started, beside=beside, alone=alone)
    flow = target.flow
    if flow is not None and (flow.is_shedding or len(flow.tap) >= flow.size):
        flow.pour(node, now)
    if target.is_behind():
        learn_soon(node, target, ctx.runtime)


def learn_soon(node: Any, target: Target, runtime: Runtime) -> None:
    """Ask for ``learn`` in the background; ask again only when as much has piled up once more.

    Of a target that was dropped nothing is learned any more, but what had begun there counts.
    """
    if target.when_late is not None:
        target.when_late()
        return
    wait_for = MOST_PILED if target.fold_if_behind() else FOLD
    target.learn_next_at(target.piled + wait_for)
    target.count_down()
    target.strained_at = target.cuts + STRAIN
    target.asked += 1
    runtime.background(functools.partial(learn_if_asked, node, target, runtime, target.asked))


def learn_if_asked(node: Any, target: Target, runtime: Runtime, number: int) -> None:
    """Learn, unless all that was there when it was asked for, as the request of that *number*, is learned by now.

    Where chores come late each finds what was asked for after it, too.
    """
    if number > target.heard:
        learn(node, target, runtime)


def learn_the_rest(node: Any) -> None:
    """Learn from what has piled up so far, since nothing may come after it; let who is at it come to the end."""
    for target in node.targets.every():
        target.learning.wait(PATIENCE)
        quietly(functools.partial(learn, node, target, node.drivers[0]))


def learn(node: Any, target: Target, runtime: Runtime) -> None:
    """Learn from what piled up since last time."""
    from unbreakable.fractal.batch import drain  # no call waits for it

    if not target.learning.take():
        return  # somebody is at it
    try:
        target.heard = target.asked
        target.in_hand = target.piled + target.in_haste.count
        batch = drain(target)
        if batch.calls or batch.folded.count or batch.faults or batch.cut or batch.answered:
            fresh = batch.traffic(target, runtime.now())
            learnings = fresh.requests  # also of those that are forgotten next
            share(target, runtime.now())  # first: it was learned before this
            did(target, "learn.patterns.detect_drift")
            drifted = detect_drift(node, target, batch.ok, fresh, runtime.now())
            aggregate(target, batch, fresh, runtime.now())
            target.take_quick(sum(map(float(target.plan.limit).__gt__, batch.ok)))
            if target.plan.observations and not batch.folded.count:  # else the good calls would not be all there
                took, lost, answered = batch.calls, batch.lost, batch.answered_calls
                chooser_of(node).compare(target.name, took, lost, target.traffic, answered)
            if not batch.folded.count:
                chooser_of(node).measure(target.name, batch.at_once, batch.detours, batch.lost)
            predict(target)
            optimize(node, target, runtime, drifted=drifted, strained=is_strained(batch))
            if target.latency.count >= COLD and not target.plan.observations:  # what a plan needs is on its way
                BLOCKING.background(functools.partial(learn_anew, node, target, runtime))
            persist(target, node.settings.memory, node, fresh, learnings=learnings, forgets=drifted)
        target.learn_next_at(FOLD if target.plan.observations else COLD)
        target.count_down()
    finally:
        target.in_hand = 0
        target.learning.release()


def persist(target: Target, memory: Memory | None, node: Any, fresh: Traffic, *, learnings: int, forgets: bool) -> None:
    """Hand what is new to the memory, which keeps it and tells whoever learns about the same target.

    A record that *forgets* takes the place of the attempts known so far, and of the plan: the target is no longer what
    it was.
    """
    did(target, "learn.store.persist")
    lessons, lives = target.experience.take_news()
    if memory is not None:
        record = {
            "traffic": fresh.to_dict(),
            "forgets": forgets,
            "lessons": lessons,
            "lives": lives,
            "plan": target.plan.to_record() if target.plan.observations or forgets else None,
            "arms": (target.arms if target.owns_arms else Arms()).to_dict(),
            "totals": news_of(target, learnings),
        }
        memory.add(target.name, record, node)


def news_of(target: Target, learnings: int) -> dict[str, int]:
    """Return what was learned, healed and optimised since the memory was told last."""
    totals = totals_of(target)
    fresh, target.told = totals - target.told, totals
    return {"learnings": learnings, "healings": fresh["healings"], "optimizations": fresh["optimizations"]}


def totals_of(target: Target) -> Counter[str]:
    """Return how many calls were healed and plans made."""
    return Counter(healings=target.counts.healed, optimizations=target.learned.get("learn.optimize.publish", 0))


def share(target: Target, now: float) -> None:
    """Take in what others learned about the same target since last time."""
    did(target, "learn.store.share")
    for record in taken_from(target, "news"):
        absorb(target, record, now)


def recall(node: Any, target: Target, runtime: Runtime) -> None:
    """Begin with what the memory knows, and listen for what others add to it; a memory that fails knows nothing."""
    if node.settings.memory is not None:
        quietly(functools.partial(_recall, node, target, runtime))


def _recall(node: Any, target: Target, runtime: Runtime) -> None:
    memory: Memory = node.settings.memory
    known = memory.get(target.name)
    if known is not None:
        absorb(target, known, runtime.now())
        if target.owns_arms:
            target.arms.merge(Arms.from_dict(known["arms"]))
        plan = remembered(node.settings, target.plan, known["plan"])
        if plan is not None:
            publish(node, target, plan, runtime)
        else:  # to make one takes long, and a call may wait for this target
            BLOCKING.background(functools.partial(learn_anew, node, target, runtime))
    news = target.news

    def told(record: dict[str, Any], source: object) -> None:
        if source is not node:
            news.append(record)  # taken in by the next share(), so that no two nodes wait for one another

    news_of(target, 0)  # what is recalled is not news
    target.ear = told
    memory.watch(target.name, told)


def learn_anew(node: Any, target: Target, runtime: Runtime) -> None:
    """Make a plan from what was recalled, unless somebody is learning right now and will."""
    if target.learning.take():
        try:
            optimize(node, target, runtime, drifted=False)
        finally:
            target.learning.release()


def remembered(settings: Settings, cold: Plan, record: Mapping[str, Any] | None) -> Plan | None:
    """Return the plan that was in force when *record* was written, as far as it fits what is pinned now."""
    if record is None or record.get("effects") != cold.effects:
        return None
    learned = Plan.from_record(record)
    free = {name: getattr(learned, name) for name in LEARNED if settings.leaves(name)}
    deadline = learned.deadline if settings.deadline is None else settings.deadline
    strategy = learned.strategy if settings.strategy == "adaptive" else settings.strategy
    return replace(cold, **free, deadline=deadline, strategy=strategy, observations=learned.observations)


def absorb(target: Target, known: dict[str, Any], now: float) -> None:
    """Add what others learned about the same target to what is known here."""
    traffic = Traffic.from_dict(known["traffic"])
    if known.get("forgets"):
        relearn(target, traffic, now)
    else:
        target.traffic.merge(traffic)
    target.experience.absorb(known["lessons"], known.get("lives", ()))


# ── patterns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def aggregate(target: Target, batch: Batch, fresh: Traffic, now: float) -> None:
    """Add the batch, as a statistic *fresh*, to the others; what is old loses weight."""
    did(target, "learn.patterns.aggregate")
    target.traffic.merge(fresh)
    target.learned_at, target.aged_at = now, now if target.aged_at is None else target.aged_at
    is_old = target.latency.count >= AGE_EACH and now - target.aged_at >= HOUR
    if is_old or target.latency.count > AGE_AT:
        target.traffic.halve()
        target.aged_at = now
    ended = batch.succeeded + batch.failed_calls
    if ended:
        target.success_rate.update(batch.succeeded / ended, now)


def is_strained(batch: Batch) -> bool:
    """Return whether the learned time limit cuts more attempts than it lets end: then it learns nothing of them."""
    return batch.limited >= STRAIN and batch.limited > batch.succeeded + len(batch.faults)


def predict(target: Target) -> None:
    """Say what the next calls will be like."""
    did(target, "learn.patterns.predict")
    latency = target.latency
    target.forecast = Forecast(
        success_rate=target.success_rate.value(), p50=latency.value(0.5), p99=latency.value(0.99)
    )


# ── optimise ────────────────────────────────────────────────────────────────────────────────────────────────────────


def optimize(node: Any, target: Target, runtime: Runtime, *, drifted: bool, strained: bool = False) -> None:
    """Make a new plan when enough is new, and put it in force."""
    did(target, "learn.optimize.tune")
    observations = target.traffic.count
    known = target.plan.observations
    if drifted and target.latency.count < COLD:
        publish(node, target, cooled(target), runtime)
    elif strained:
        publish(node, target, stretched(target.plan), runtime)
    elif target.latency.count >= COLD and (
        drifted or known == 0 or observations >= min(GROWN * known, known + NEW) or observations < known
    ):
        did(target, "learn.optimize.plan")
        from unbreakable.fractal.lingering import with_what_lingers  # no call waits for it

        seen = with_what_lingers(target, node.drivers)
        plan = chooser_of(node).plan(target.name, target.plan, seen, runtime.random)
        plan = with_copies(plan, target, former_of(target, runtime.now()))
        publish(node, target, plan if seen is target.traffic else rested(plan, observations), runtime)


def with_copies(plan: Plan, target: Target, former: Former | None) -> Plan:
    """Return *plan* with copies as before a drift, if it has late ones at most, and rests on the few calls since.

    They do not tell of the slow ones yet; and what copies may cost is bounded.
    """
    if plan.copies_late and former is not None and target.traffic.count < FOLD:
        return replace(plan, hedge=former.hedge)
    return plan


def rested(plan: Plan, observations: int) -> Plan:
    """Return *plan*, which rests on so many *observations*, and on what is not over yet."""
    return replace(plan, observations=min(plan.observations, observations))


def chooser_of(node: Any) -> Chooser:
    """Return who turns what is learned into settings for *node*; it is made when there is something to choose from."""
    if node.chooser is None:
        node.chooser = node.new_chooser(node.settings)
    return node.chooser  # type: ignore[no-any-return]


def cooled(target: Target) -> Plan:
    """Return the plan for a target that is no longer what it was: cold, but for what else would be lost meanwhile.

    What hangs is cut: after twice as long as before, or three times as long as it takes by now.  How many failures in a
    row are bad luck, which the cold breaker takes for an outage, is still the best guess.  And who takes longer than
    the cold deadline would never be heard of again.
    """
    plan, cold = target.plan, replace(target.cold, deadline=max(target.cold.deadline, target.plan.deadline))
    if plan.breaker is not None and plan.breaker.learned:
        cold = replace(cold, breaker=plan.breaker)
    if plan.timeout is None or not plan.timeout.learned:
        return cold
    seconds = max(STRETCH * plan.limit, LATE * (target.latency.value(0.99) or 0.0))
    return replace(cold, timeout=learned_limit(seconds, cold.deadline))


def stretched(plan: Plan) -> Plan:
    """Return *plan* with twice the time for an attempt; none but the deadline once that is reached."""
    seconds = STRETCH * plan.limit
    return replace(plan, timeout=learned_limit(seconds, plan.deadline))


def publish(node: Any, target: Target, plan: Plan, runtime: Runtime) -> None:
    """Swap the plan in; a tighter time limit counts for the attempts in flight, too."""
    did(target, "learn.optimize.publish")
    target.adopt(plan)
    if target.limit < math.inf:
        for driver in node.drivers:
            driver.tighten(target, target.limit)
    node.tell(
        PlanPublished(
            at=runtime.now(),
            node=node.name,
            strategy=plan.strategy,
            timeout=None if plan.limit == math.inf else plan.limit,
            hedge=None if plan.hedge is None else plan.hedge.after,
            deadline=plan.deadline,
            observations=plan.observations,
        )
    )


def did(target: Target, path: str) -> None:
    """Note that the background sub-operation at *path* runs; before it others have their turn."""
    breathe()
    target.learned[path] = target.learned.get(path, 0) + 1
