"""The settings in force, as another process is told them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

import unbreakable as ub
from unbreakable.outcome import Success
from unbreakable.policies import (
    AdaptiveLimit,
    Backoff,
    Bulkhead,
    Circuit,
    CircuitBreaker,
    Hedge,
    Plan,
    Retry,
    RetryBudget,
    Throttle,
    Timeout,
)
from unbreakable.policies.timeout import learned_limit

LEARNED = Plan(
    retry=Retry(5, backoff=Backoff(0.2, factor=3.0, most=9.0, jitter=False)),
    timeout=learned_limit(1.5, 30.0),
    hedge=Hedge(0.25, most=2, threads=False),
    breaker=CircuitBreaker(31, rest=0.2, most_rest=30.0, wait=0.7, learned=True),
    deadline=45.0,
    effects="idempotent",
    strategy="careful",
    observations=77,
)
BARE = Plan(retry=None, deadline=math.inf, observations=3)


@pytest.mark.parametrize("plan", [LEARNED, BARE], ids=["all", "nothing"])
def test_what_was_learned_is_read_back(plan):
    """From text, and to the last of its settings."""
    assert plan == Plan.from_record(json.loads(json.dumps(plan.to_record())))


@pytest.mark.parametrize(
    "damage",
    [
        {"retry": 7},
        {"retry": {"attempts": 2, "first": 0.1, "other": 1}},
        {"retry": {"attempts": 0}},
        {"timeout": "long"},
        {"timeout": -1.0},
        {"hedge": []},
        {"hedge": 0.5},
        {"breaker": 7},
        {"breaker": {"failures": 0}},
        {"breaker": {"failures": 5, "color": "red"}},
        {"breaker": {"failures": 5, "rest": -1.0}},
        {"deadline": "late"},
        {"deadline": {}},
        {"effects": "harmless"},
        {"observations": None},
    ],
    ids=repr,
)
def test_what_is_no_record_of_a_plan_is_refused(damage):
    """Damage in what others wrote is one sort of error, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"not the record of a plan|must be|could not convert"):
        Plan.from_record({**LEARNED.to_record(), **damage})


@pytest.mark.parametrize("missing", sorted(LEARNED.to_record().keys() - {"breaker"}))
def test_a_record_with_a_part_missing_is_refused(missing):
    """Nothing is guessed in its place."""
    with pytest.raises(ValueError, match="not the record of a plan: "):
        Plan.from_record({name: value for name, value in LEARNED.to_record().items() if name != missing})


def test_a_record_from_before_breakers_were_learned_has_the_cold_one():
    """All else that it says holds."""
    record = {name: value for name, value in LEARNED.to_record().items() if name != "breaker"}

    assert replace(LEARNED, breaker=CircuitBreaker()) == Plan.from_record(record)


def test_a_call_knows_which_strategy_it_follows():
    """By the name that it was given."""
    careful = ub.Strategy("careful", retry=ub.Retry(2))
    told = [
        ub.protect("search", strategy=strategy)(lambda: ub.current().strategy)() for strategy in (careful, "balanced")
    ]

    assert ["careful", "balanced"] == told


# ── what a plan allows ──────────────────────────────────────────────────────────────────────────────────────────────

LIMIT, PINNED = Timeout(2.0, learned=True), Timeout(2.0)
COPIES, COPIES_IN_THREADS = Hedge(0.5, threads=False), Hedge(0.5)


@pytest.mark.parametrize(
    ("plan", "quick", "looks", "threads", "hedges"),
    [
        (Plan(), (True, True), (math.inf, math.inf), False, False),
        (Plan(timeout=LIMIT), (True, True), (2.0, 2.0), False, False),
        (Plan(timeout=LIMIT, retry=None), (True, True), (math.inf, math.inf), False, False),
        (Plan(timeout=LIMIT, retry=Retry(1)), (True, True), (math.inf, math.inf), False, False),
        (Plan(timeout=LIMIT, retry=Retry(2)), (True, True), (2.0, 2.0), False, False),
        (Plan(timeout=PINNED), (True, False), (2.0, 2.0), True, False),
        (Plan(timeout=PINNED, retry=None), (True, False), (2.0, 2.0), True, False),
        (Plan(timeout=Timeout(2.0, cut_threads=False)), (True, True), (2.0, 2.0), False, False),
        (Plan(hedge=COPIES), (True, True), (math.inf, math.inf), False, False),
        (Plan(hedge=COPIES, effects="none"), (True, True), (0.5, math.inf), False, True),
        (Plan(hedge=COPIES_IN_THREADS, effects="none"), (False, False), (0.5, math.inf), True, True),
        (Plan(hedge=COPIES_IN_THREADS, effects="once"), (True, True), (math.inf, math.inf), False, False),
        (Plan(hedge=COPIES, effects="idempotent", timeout=PINNED), (False, False), (0.5, 2.0), True, True),
        (Plan(hedge=COPIES, effects="none", timeout=LIMIT), (True, True), (0.5, 2.0), False, True),
        (Plan(hedge=Hedge(3.0, threads=False), effects="none", timeout=LIMIT), (True, True), (2.0, 2.0), False, True),
        (Plan(hedge=COPIES, effects="none", timeout=LIMIT, retry=None), (True, True), (0.5, math.inf), False, True),
    ],
)
def test_what_a_plan_makes_of_a_call(plan, quick, looks, threads, hedges):
    """On an event loop and in plain code: whether arithmetic is enough, when it is looked at, what it costs."""
    assert quick == tuple(plan.is_quick(preemptive=colour) for colour in (True, False))
    assert looks == tuple(plan.first_look(preemptive=colour) for colour in (True, False))
    assert (threads, hedges) == (plan.costs_threads, plan.hedges)


@pytest.mark.parametrize(
    ("hedge", "lag", "look"),
    [(COPIES, 0.002, 0.498), (COPIES, 0.4, 0.375), (COPIES_IN_THREADS, 0.002, 0.5), (None, 0.002, math.inf)],
    ids=["learned", "a quarter at most", "pinned", "none"],
)
def test_a_learned_copy_is_looked_after_sooner_by_what_it_takes_to_be_under_way(hedge, lag, look):
    """What was pinned is kept to."""
    plan = Plan(hedge=hedge, effects="none")

    assert plan.first_look(preemptive=True, lead=plan.lead(lag)) == pytest.approx(look)


@pytest.mark.parametrize(
    ("plan", "soft", "limit"),
    [(Plan(), True, math.inf), (Plan(timeout=LIMIT), True, 2.0), (Plan(timeout=PINNED), False, 2.0)],
)
def test_only_a_limit_that_was_pinned_is_hard(plan, soft, limit):
    """Without one only the deadline counts."""
    assert (soft, limit) == (plan.is_soft, plan.limit)


@pytest.mark.parametrize(("effects", "copies"), [("none", 2), ("once", 1)])
def test_an_attempt_is_made_as_the_plan_says(bench, effects, copies):
    """It waits for the circuit as long as that says, and has a copy only if it may."""
    plan = Plan(breaker=CircuitBreaker(1, rest=3.0, wait=5.0), hedge=COPIES_IN_THREADS, effects=effects)
    made = []

    async def work(ctx):
        made.append(bench.runtime.now())
        await bench.runtime.sleep(1.0)
        return Success(7)

    async def story():
        began = bench.runtime.now()
        bench.target.circuit = Circuit(plan.breaker)
        bench.target.circuit.settle(0, False, began)
        result = await plan.around_an_attempt(work)(bench.context(plan=plan, deadline=began + 30.0))
        return result.value, [moment - began for moment in made]

    value, moments = bench.play(story)
    assert (7, copies) == (value, len(moments))
    assert [3.0, 3.5][:copies] == pytest.approx(moments, abs=0.01)


def test_a_plan_can_be_a_key_whatever_it_only_measures():
    """Shadows change nothing of what a plan does."""
    measuring = Plan(timeout=PINNED, shadows={"retry": Retry(9)})

    assert 2.0 == {measuring: measuring.limit}[measuring]
    assert hash(Plan(timeout=PINNED)) == hash(measuring) != hash(Plan(timeout=PINNED, retry=Retry(9)))


@pytest.mark.parametrize(
    ("limit", "effects", "value", "seconds"),
    [
        (None, "none", 7, 9.0),
        (PINNED, "none", None, 2.0),
        (LIMIT, "none", None, 2.0),
        (LIMIT, "once", 7, 9.0),
    ],
)
@pytest.mark.parametrize("bench", ["asyncio"], indirect=True)
def test_an_attempt_without_a_breaker_has_the_time_that_its_limit_says(bench, limit, effects, value, seconds):
    """A learned one overtakes what may run twice, and cuts nothing; without one there is the deadline."""

    async def story():
        ctx = bench.context(
            plan=Plan(breaker=None, timeout=limit, effects=effects), deadline=bench.runtime.now() + 30.0
        )
        bench.node.prepay = lambda ctx: True
        result = await ctx.plan.around_an_attempt(bench.inner((9.0, 7)))(ctx)
        moment = bench.clock.now()
        if ctx.laggard is not None:
            ctx.laggard.let_go(1)
        return getattr(result, "value", None), moment, ctx.laggard is not None

    assert (value, seconds, (limit, value) == (LIMIT, None)) == bench.play(story)


def test_a_plan_is_told_in_plain_numbers():
    """None is off, whatever it is that is off."""
    cold = {
        "strategy": "adaptive",
        "attempts": 3,
        "timeout": None,
        "hedge": None,
        "breaker": 5,
        "rest": 30.0,
        "bulkhead": None,
        "limit": None,
        "throttle": None,
        "budget": 0.2,
        "deadline": 30.0,
        "effects": "unknown",
        "observations": 0,
    }
    full = Plan(
        retry=Retry(4),
        breaker=ub.CircuitBreaker(6),
        timeout=LIMIT,
        hedge=COPIES,
        bulkhead=Bulkhead(7),
        concurrency=AdaptiveLimit(most=80),
        throttle=Throttle(0.8),
        budget=RetryBudget(ratio=0.3),
        deadline=9.0,
        effects="none",
        strategy="careful",
        observations=50,
    )
    bare = Plan(retry=None, breaker=None, budget=None, deadline=math.inf, hedge=COPIES)

    assert cold == Plan().to_dict()
    assert ["careful", 4, 2.0, 0.5, 6, 30.0, 7, 80, 0.8, 0.3, 9.0, "none", 50] == list(full.to_dict().values())
    assert {**cold, "attempts": 1, "breaker": None, "rest": None, "budget": None, "deadline": None} == bare.to_dict()


def test_a_record_of_a_plan_is_plain_numbers_too():
    """What is learned, and not what is pinned."""
    assert {
        "strategy": "careful",
        "effects": "idempotent",
        "retry": {"attempts": 5, "first": 0.2, "factor": 3.0, "most": 9.0, "jitter": False},
        "timeout": 1.5,
        "hedge": [0.25, 2],
        "breaker": {"failures": 31, "rest": 0.2, "most_rest": 30.0, "wait": 0.7},
        "deadline": 45.0,
        "observations": 77,
    } == LEARNED.to_record()
    assert (None, None, None, None) == tuple(
        BARE.to_record()[name] for name in ("retry", "timeout", "hedge", "deadline")
    )
