"""What goes on after a step has ended is undone with it, and what never ends keeps no run from its end."""

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def partner(log, **options):
    """Return an async protected call that takes 0.3 s and writes down what it was for."""

    @ub.protect("partner", effects="once", **options)
    async def call(what, seconds=0.3):
        await sleep(seconds)
        log.append(what)

    return call


async def fails(seconds=0.1):
    await sleep(seconds)
    raise ValueError("no")


def run(*steps):
    """Run the steps, and for a while after them; return the run's status."""

    async def main():
        result = await ub.OrchestratorNode(name="o", retry=False).orchestrate(list(steps))
        await sleep(60)
        return result.status.value

    with virtual_time() as clock:
        began = clock.now()
        status = asyncio.run(main())
        return status, clock.now() - began - 60


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_a_plain_call_that_its_own_limit_cut_is_waited_for(colour):
    """A plain call that goes on in its thread after its time limit is over before the step is undone."""
    log = []

    @ub.protect("bank", effects="once", timeout=ub.Timeout(0.3))
    def charge():
        BLOCKING.world.sleep(1.0)
        log.append("charge")

    step = ub.Step("pay", charge, compensate=lambda ctx: log.append("refund"))
    with virtual_time():
        if colour == "sync":
            result = ub.OrchestratorNode(name="o", retry=False).orchestrate_sync([step])
        else:
            result = asyncio.run(ub.OrchestratorNode(name="o", retry=False).orchestrate([step]))
    assert (["charge", "refund"], "compensated") == (log, result.status.value)
    assert isinstance(result.error, AttemptTimeout)


def test_a_plain_step_that_hangs_is_not_waited_for():
    """A step that its own time limit has cut is undone at once, whatever its thread is at."""
    log = []

    def hang():
        BLOCKING.world.sleep(1_000.0)

    step = ub.Step("hang", hang, compensate=lambda ctx: log.append("undone"), timeout=0.5)
    with virtual_time() as clock:
        began = clock.now()
        result = ub.OrchestratorNode(name="o", retry=False).orchestrate_sync([step])
        took = clock.now() - began
    assert (["undone"], "compensated") == (log, result.status.value)
    assert took < 2.0


def worker_that_never_ends():
    """Return a step that leaves a task at work on a stream without an end, and where the task is kept."""
    stream, tasks = ub.StreamNode(lambda item: None, effects="once"), []

    async def source():
        for number in range(10_000):
            await sleep(0.5)
            yield number

    async def begin():
        tasks.append(asyncio.create_task(stream.process_stream(source())))
        await sleep(0.1)

    return begin, tasks


async def gather_of_gathers(call):
    await asyncio.gather(asyncio.gather(call("a"), call("b")), asyncio.gather(call("c")))


async def limited_gather(call):
    async def trip():
        await asyncio.gather(call("a"), call("b"))

    await asyncio.wait_for(trip(), 5)


async def groups(call):
    async def trip():
        async with asyncio.TaskGroup() as group:
            group.create_task(call("a"))

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(trip())


async def shielded(call):
    await asyncio.wait_for(asyncio.shield(asyncio.create_task(call("a"))), 5)


@pytest.mark.parametrize("way", [gather_of_gathers, limited_gather, groups, shielded])
def test_what_follows_a_call_that_was_left_is_not_overtaken(way):
    """Code that the step has left makes its next call some turns after the last: the step is undone after both."""
    log = []
    call = partner(log)

    async def trip():
        await way(call)
        await call("charge")

    async def step():
        await asyncio.gather(trip(), fails())

    status, _ = run(ub.Step("s", step, compensate=lambda ctx: log.append("undone")))
    assert ("compensated", ["charge", "undone"]) == (status, log[-2:])


def test_a_worker_that_a_step_has_started_keeps_no_later_run_from_being_undone():
    """A client that flushes every half second since its first use is between two flushes soon enough."""
    log, workers = [], []

    @ub.protect("flush", effects="idempotent")
    async def flush():
        await sleep(0.5)

    async def worker():
        while True:
            await flush()
            await sleep(0.5)

    async def first():
        workers.append(asyncio.create_task(worker()))

    async def main():
        steps = [
            ub.Step("first", first, compensate=lambda ctx: log.append("undone")),
            *(ub.Step(f"long{number}", lambda: sleep(20.2)) for number in range(2)),
            ub.Step("last", fails),
        ]
        result = await ub.OrchestratorNode(name="o", retry=False).orchestrate(steps)
        workers[0].cancel()
        return result.status.value

    with virtual_time():
        assert ("compensated", ["undone"]) == (asyncio.run(main()), log)


def test_what_the_compensation_itself_ends_is_waited_for_shortly_and_needs_nobody():
    """A stream that a step has begun, and its compensation ends, costs a run two seconds and no attention."""
    undone, (begin, tasks) = [], worker_that_never_ends()

    async def end():
        undone.append(1)
        tasks[0].cancel()
        await asyncio.wait(tasks)

    status, seconds = run(ub.Step("begin", begin, compensate=end), ub.Step("last", fails))
    assert "compensated" == status
    assert seconds < 5.0
    assert len(undone) <= 2


def test_a_block_that_failed_and_is_not_repeated_is_not_under_way():
    """Who leaves a loop of attempts after a block that failed is not waited for when its step is undone."""

    async def reserve():
        async for attempt in ub.attempts("hotel"):
            async with attempt:
                raise ConnectionResetError("away")
            if attempt.number == 2:
                return "by phone"
        return None

    status, seconds = run(ub.Step("reserve", reserve, compensate=lambda: None), ub.Step("pay", fails))
    assert "compensated" == status
    assert seconds < 5.0


def test_what_is_at_work_for_good_needs_attention():
    """A call that is at work after the compensation, too, leaves the run to a person."""
    log, tasks = [], []

    @ub.protect("late", effects="once")
    def late():
        BLOCKING.world.sleep(50.0)
        log.append("late")

    async def step():
        tasks.append(asyncio.create_task(asyncio.to_thread(late)))
        await fails()

    status, seconds = run(ub.Step("s", step, compensate=lambda ctx: log.append("undone")))
    assert ("needs_attention", ["undone"]) == (status, log[:1])
    assert 30.0 < seconds < 40.0


def test_a_compensation_that_merely_asks_its_worker_to_stop_needs_nobody():
    """A task that was cancelled, and not awaited, is over a moment after the compensation."""
    begin, tasks = worker_that_never_ends()

    def stop():
        tasks[0].cancel()

    status, _ = run(ub.Step("begin", begin, compensate=stop), ub.Step("last", fails))
    assert "compensated" == status


def test_a_call_that_follows_in_another_thread_is_not_overtaken():
    """What a step has left makes its next call in a thread that has to begin first: the step is undone after it."""
    log = []

    @ub.protect("partner", effects="once")
    def call(what):
        BLOCKING.world.sleep(0.05)
        log.append(what)

    async def trip():
        await asyncio.to_thread(call, "hotel")
        await asyncio.to_thread(call, "charge")

    async def step():
        await asyncio.gather(trip(), fails(0.005))

    async def main():
        node = ub.OrchestratorNode(name="o", retry=False)
        result = await node.orchestrate([ub.Step("s", step, compensate=lambda ctx: log.append("undone"))])
        return result.status.value

    for _ in range(3):  # in real time: virtual threads begin at once
        log.clear()
        assert ("compensated", ["hotel", "charge", "undone"]) == (asyncio.run(main()), log)


def test_a_loop_of_attempts_that_is_given_up_meanwhile_is_waited_for_no_longer():
    """Whoever waits for a block is woken when its loop is left after a failure."""

    async def book():
        async for attempt in ub.attempts("hotel"):
            async with attempt:
                await sleep(0.3)
                raise ConnectionResetError("away")
            if attempt.number == 2:
                return "by phone"
        return None

    async def step():
        await asyncio.gather(book(), fails())

    status, seconds = run(ub.Step("s", step, compensate=lambda: None))
    assert "compensated" == status
    assert seconds < 5.0
