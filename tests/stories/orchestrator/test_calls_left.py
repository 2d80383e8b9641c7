"""A step that ends while protected calls in it are under way is compensated when they are over, and not before."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading

import pytest

import unbreakable as ub
from unbreakable.nodes import OrchestratorNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time
from unbreakable.workflows import RunStatus, Step, StepState
from unbreakable.workflows.events import CompensationFailed

sleep = ASYNCIO.sleep

pytestmark = pytest.mark.usefixtures("looks_take_no_time")


class Shop:
    """Charge customers, and pay back what was charged."""

    def __init__(self, clock):
        self.clock, self.charged, self.story, self.tasks = clock, 0, [], set()
        self.certain = None

    def note(self, what):
        self.story.append((round(self.clock.now(), 3), what))

    def charging(self, seconds=0.3, effects="once", **options):
        """Return a protected charge that takes so long."""

        @ub.protect("charge", effects=effects, **options)
        async def charge():
            await sleep(seconds)
            self.charged += 1
            self.note("charged")

        return charge

    async def stock(self):
        await sleep(0.05)
        raise ValueError("sold out")

    async def refund(self, ctx):
        self.certain = ctx.state["certain"]
        self.note("refund")
        self.charged = 0

    def in_the_background(self, work):
        """Begin *work* as a task that nobody waits for."""
        self.tasks.add(asyncio.create_task(work))

    async def run(self, *steps, node=None, wait=120.0, **settings):
        node = node or OrchestratorNode(**{"retry": False, **settings})
        result = await node.orchestrate(list(steps))
        await sleep(wait)
        return result


@pytest.fixture
def shop():
    with virtual_time() as clock:
        yield Shop(clock)


@pytest.mark.parametrize("effects", ["idempotent", "unknown", "once"])
def test_what_lands_after_the_step_has_failed_is_paid_back(shop, effects):
    """The stock is sold out while the customer is being charged: the refund comes when there is something to refund."""
    charge = shop.charging(effects=effects)

    async def buy():
        await asyncio.gather(charge(), shop.stock())

    result = asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund)))

    assert [(0.3, "charged"), (0.3, "refund")] == shop.story
    assert (0, False) == (shop.charged, shop.certain)
    assert (RunStatus.COMPENSATED, StepState.UNDONE) == (result.status, result.ledger["buy"])


def test_what_only_looks_is_not_waited_for(shop):
    """A metric, or a look, that is under way is nothing that a compensation could miss."""
    look = shop.charging(effects="none")

    async def buy():
        await asyncio.gather(look(), shop.stock())

    asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund)))

    assert (0.05, "refund") == shop.story[0]


@pytest.mark.parametrize("layers", [1, 2])
def test_what_a_call_inside_has_left_is_waited_for(shop, layers):
    """The charge is under way in a call of a call of the step."""
    charge = shop.charging()

    async def work():
        await asyncio.gather(charge(), shop.stock())

    for _ in range(layers):
        work = ub.protect("layer", retry=False)(work)

    asyncio.run(shop.run(Step("buy", work, compensate=shop.refund)))

    assert [(0.3, "charged"), (0.3, "refund")] == shop.story


def test_what_a_call_that_is_waited_for_leaves_is_waited_for_too(shop):
    """The layer that goes on fails in its turn, with a charge under way."""
    charge = shop.charging(1.0)

    @ub.protect("layer", retry=False)
    async def layer():
        await sleep(0.1)
        await asyncio.gather(charge(), shop.stock())

    async def buy():
        await asyncio.gather(layer(), shop.stock())

    asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund)))

    assert [(1.1, "charged"), (1.1, "refund")] == shop.story


def test_a_call_that_follows_on_one_that_is_waited_for_is_waited_for_too(shop):
    """What the step has left is plain code, which makes its next call as soon as the first has returned."""
    first, second = shop.charging(0.2), shop.charging(0.2)

    async def both():
        await first()
        await second()

    async def buy():
        await asyncio.gather(both(), shop.stock())

    asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund)))

    assert [(0.2, "charged"), (0.4, "charged"), (0.4, "refund")] == shop.story


@pytest.mark.parametrize(("before", "landed"), [(0.0, 2.0), (0.5, 2.5)])
def test_what_a_step_that_is_done_has_left_is_waited_for(shop, before, landed):
    """Its call goes on in the background, or begins there while another step is at work: it is undone with its step."""
    charge = shop.charging(2.0)

    async def later():
        await sleep(before)
        await charge()

    async def order():
        shop.in_the_background(later())

    async def fail():
        await sleep(1.0)
        raise ValueError

    asyncio.run(shop.run(Step("order", order, compensate=shop.refund), Step("fail", fail)))

    assert [(landed, "charged"), (landed, "refund")] == shop.story


def test_a_step_that_was_cut_leaves_what_it_had_shielded(shop):
    """The time limit cuts the step; its charge goes on, and is paid back when it has landed."""
    charge = shop.charging(3.0)

    async def buy():
        await asyncio.shield(charge())

    result = asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund, timeout=1.0)))

    assert [(3.0, "charged"), (3.0, "refund")] == shop.story
    assert RunStatus.COMPENSATED == result.status


def test_a_run_that_is_cancelled_waits_for_what_its_steps_have_shielded(shop):
    """Who cancels it waits for that, too."""
    charge = shop.charging(3.0)

    async def buy():
        await asyncio.shield(charge())

    async def story():
        run = asyncio.create_task(shop.run(Step("buy", buy, compensate=shop.refund)))
        await sleep(1.0)
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        shop.note("cancelled")

    asyncio.run(story())

    assert [(3.0, "charged"), (3.0, "refund"), (3.0, "cancelled")] == shop.story


def test_other_compensations_wait_for_nothing_of_this_step(shop):
    """What does not depend on it is undone at once."""
    charge = shop.charging()

    async def buy():
        await asyncio.gather(charge(), shop.stock())

    async def book():
        pass

    async def release():
        shop.note("release")

    steps = [
        Step("book", book, compensate=release, depends_on=[]),
        Step("buy", buy, compensate=shop.refund, depends_on=[]),
    ]
    asyncio.run(shop.run(*steps))

    assert [(0.05, "release"), (0.3, "charged"), (0.3, "refund")] == shop.story


@pytest.mark.parametrize(
    ("settings", "until"), [({"deadline": 5.0}, 7.0), ({}, 32.05), ({"deadline": math.inf}, 32.05)]
)
def test_a_call_that_outlasts_its_step_calls_a_person(shop, settings, until):
    """A charge that nothing cuts is waited for until the step's own time is up; then what can be undone is."""
    node = OrchestratorNode(retry=False, **settings)
    told = []
    node.on(CompensationFailed, told.append)

    @ub.protect("charge", effects="once", deadline=math.inf)
    async def charge():
        until = shop.clock.now() + 60.0
        while shop.clock.now() < until:
            with contextlib.suppress(asyncio.CancelledError):
                await sleep(60.0)
        shop.note("charged")

    async def buy():
        await asyncio.gather(charge(), shop.stock())

    result = asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund), node=node))

    assert (until, "refund") == shop.story[0]
    assert (RunStatus.NEEDS_ATTENTION, StepState.UNDO_FAILED) == (result.status, result.ledger["buy"])
    assert "still at work" in str(result.error.exceptions[0])
    assert ["buy"] == [event.step for event in told]


def test_a_run_inside_a_step_is_waited_for(shop):
    """Its pivot is paid a moment later."""
    charge, node = shop.charging(), OrchestratorNode()

    async def buy():
        await asyncio.gather(node.orchestrate([Step("pay", charge, kind="pivot")]), shop.stock())

    asyncio.run(shop.run(Step("buy", buy, compensate=shop.refund)))

    assert [(0.3, "charged"), (0.3, "refund")] == shop.story


def test_what_a_step_leaves_binds_nobody_after_its_run(shop):
    """A task that goes on when the run is over is in no call any more, and its calls have their own time."""
    seen = []

    @ub.protect("late", effects="idempotent")
    async def late():
        await sleep(50.0)
        seen.append(shop.clock.now())

    async def later():
        await sleep(20.0)
        seen.append(ub.current())
        await late.outcome()

    async def order():
        shop.in_the_background(later())

    asyncio.run(shop.run(Step("order", order), deadline=15.0))

    assert [None] == seen[:1]


def test_a_thread_that_a_plain_step_has_left_at_a_call_is_waited_for(shop):
    """Wherever the context of the code goes."""

    @ub.protect("charge", effects="once")
    def charge():
        BLOCKING.world.sleep(0.3)
        shop.note("charged")

    def buy():
        thread = threading.Thread(target=contextvars.copy_context().run, args=(charge,))
        thread.start()
        BLOCKING.world.sleep(0.05)
        raise ValueError("sold out")

    result = OrchestratorNode(retry=False).orchestrate_sync([Step("buy", buy, compensate=lambda: shop.note("refund"))])

    assert [(0.3, "charged"), (0.3, "refund")] == shop.story
    assert RunStatus.COMPENSATED == result.status


def test_what_a_step_has_repeated_in_vain_is_not_repeated_around_its_run(stage):
    """Three attempts of the step are three, and not nine, where its error is passed on."""
    no = ValueError("sold out")
    orchestrator = stage.orchestrator(effects="idempotent", retry=ub.Retry(3, on=ValueError), breaker=False)
    steps = [stage.step("buy", undo=False, fails=[no] * 99)]

    async def order():
        run = orchestrator.orchestrate if stage.is_async else orchestrator.orchestrate_sync
        result = run(steps)
        raise (await result if stage.is_async else result).error

    around = ub.protect("around", retry=ub.Retry(3, on=ValueError), effects="idempotent")
    if stage.is_async:
        asyncio.run(around(order).outcome())
    else:
        around(lambda: run_blocking(order())).outcome()

    assert 3 == stage.heard().count("buy")
