"""The public face as its users write it: never run, only read by type checkers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, assert_type

import unbreakable as ub
from unbreakable.testing import virtual_time


class AuthError(Exception):
    """What a partner says when a token has died."""


# ── One call ────────────────────────────────────────────────────────────────────────────


@ub.protect("partner-api", effects="idempotent", verify=lambda flights: len(flights) > 0, fallback=lambda failure: [])
async def search(city: str, *, most: int = 10) -> list[str]:
    """Search flights."""
    return [city] * most


async def remembered(failure: ub.Failure) -> list[str]:
    """Answer instead, from somewhere that has to be asked."""
    return [str(failure.error)]


@ub.protect("partner-api", fallback=remembered)
async def search_or_remember(city: str) -> list[str]:
    """Search flights."""
    return [city]


@ub.protect("prices")
def price(flight: str) -> float:
    """Ask for a price, in a program without an event loop."""
    return float(len(flight))


@ub.protect()
async def nameless() -> None:
    """Take every default."""


def has_a_name(tenant: str) -> bool:
    """Check the input."""
    return len(tenant) > 0


def by_tenant(tenant: str) -> str:
    """Partition by tenant."""
    return tenant


@ub.protect(
    "tenants",
    effects="none",
    validate=has_a_name,
    verify=lambda rows: 0.9,
    deadline=math.inf,
    key=by_tenant,
    strategy=ub.Strategy("careful", hedge=False),
    retry=ub.Retry(5),
    breaker=ub.CircuitBreaker(failures=3),
    timeout=ub.Timeout(2.0),
    hedge=False,
    bulkhead=ub.Bulkhead(8),
    limit=ub.AdaptiveLimit(most=50),
    throttle=ub.Throttle(0.8),
    budget=False,
)
async def tenants(tenant: str) -> dict[str, int]:
    """Pin some policies, switch others off."""
    return {tenant: 1}


async def one_call() -> None:
    """Keep the function's own types, with and without an Outcome."""
    flights, outcome = await search("CAI"), await search.outcome("CAI")  # without a note of their types
    assert_type(flights, list[str])
    assert_type(outcome, ub.Outcome[list[str]])
    assert_type(await search("CAI", most=3), list[str])
    assert_type(await search_or_remember("CAI"), list[str])
    assert_type(await tenants("acme"), dict[str, int])
    assert_type(price("MS 777"), float)
    assert_type(price.outcome("MS 777"), ub.Outcome[float])
    await nameless()

    await search(777)  # type: ignore[arg-type]
    price()  # type: ignore[call-arg]


@search.remedy(AuthError)
async def refresh_token(failure: ub.Failure) -> None:
    """Heal one kind of error."""
    assert_type(failure.attempt, int)
    error: BaseException = failure.error
    print(error, failure.kind, failure.signature)


@search.remedy(ConnectionResetError, TimeoutError)
def look_nearby(failure: ub.Failure) -> dict[str, Any]:
    """Change the next attempt's arguments."""
    return {"most": 3}


@price.remedy(lambda failure: "token" in str(failure.error))
def forget_token(failure: ub.Failure) -> None:
    """Heal whatever a predicate recognises."""


def handle() -> None:
    """Reach the node behind a function."""
    assert_type(search.node.name, str)
    search.node.breaker.force_open()
    search.node.breaker.disable()
    search.node.breaker.reset()
    print(search.node.breaker.state)


class Shop:
    """Methods are protected like functions."""

    @ub.protect("shop")
    async def order(self, item: str) -> int:
        """Order asynchronously."""
        return len(item)

    @ub.protect("stock")
    def stock(self, item: str) -> int:
        """Ask synchronously."""
        return len(item)


async def methods(shop: Shop) -> None:
    """Bind self, and keep the other types."""
    assert_type(await shop.order("tea"), int)
    assert_type(await shop.order.outcome("tea"), ub.Outcome[int])
    assert_type(shop.stock("tea"), int)
    assert_type(shop.stock.outcome("tea"), ub.Outcome[int])


async def block() -> None:
    """Guard a block instead of a function."""
    async for attempt in ub.attempts("block", retry=ub.Retry(3)):
        async with attempt:
            await search("CAI")


def innermost() -> None:
    """Ask an operation's surroundings."""
    ctx = ub.current()
    assert_type(ctx, ub.Context | None)
    if ctx is not None:
        assert_type(ctx.attempt, int)
        assert_type(ctx.remaining(), float)
        assert_type(ctx.idempotency_key, str)
        print(ctx.input, ctx.nodes, ctx.results, ctx.state, ctx.tick, ctx.iteration, ctx.strategy, ctx.deadline)


# ── Outcome ─────────────────────────────────────────────────────────────────────────────


def read(outcome: ub.Outcome[list[str]]) -> list[str]:
    """Read everything that an outcome tells."""
    assert_type(outcome.id, str)
    assert_type(outcome.status, ub.Status)
    assert_type(outcome.ok, bool)
    assert_type(outcome.attempts, int)
    assert_type(outcome.elapsed, float)
    assert_type(outcome.remedies, tuple[str, ...])
    assert_type(outcome.explain(), str)
    value: list[str] | None = outcome.value
    error: BaseException | None = outcome.error
    reason: str | None = outcome.degraded_reason
    record: dict[str, Any] = outcome.to_dict()
    print(value, error, reason, record, outcome.strategy)
    if outcome.trace is not None:
        for stage in outcome.trace.stages:
            assert_type(stage.name, str)
            for operation in stage.operations:
                assert_type(operation.name, str)
                assert_type(operation.ran, bool)
                assert_type(operation.seconds, float)
    match outcome.status:
        case ub.Status.OK | ub.Status.HEALED | ub.Status.DEGRADED:
            return assert_type(outcome.unwrap(), list[str])
        case ub.Status.FAILED:
            return []


# ── FractalNode ─────────────────────────────────────────────────────────────────────────


async def pay() -> str:
    """Take nothing."""
    return "receipt"


async def pay_with(ctx: ub.Context) -> str:
    """Take the context."""
    return ctx.idempotency_key


def count() -> int:
    """Be synchronous."""
    return 3


async def fractal() -> None:
    """Run operations through nodes and their children."""
    node = ub.FractalNode("payments", effects="once", retry=ub.Retry(3))
    assert_type(await node.execute(pay), ub.Outcome[str])
    assert_type(await node.execute(pay_with, {"amount": 3}), ub.Outcome[str])
    assert_type(node.execute_sync(count), ub.Outcome[int])
    assert_type(node.name, str)

    child = node.create_child("search", effects="none")
    assert_type(child, ub.FractalNode)
    assert_type(await child.execute(operation=pay, context=None), ub.Outcome[str])

    bound = ub.FractalNode("bound", pay, parent=node)
    outcome: ub.Outcome[str] = await bound.execute()
    print(outcome)

    @node.remedy(AuthError)
    async def renew(failure: ub.Failure) -> None:
        print(failure)

    def tell(event: ub.events.Event) -> None:
        assert_type(event.at, float)
        assert_type(event.node, str)

    node.on(ub.events.Healed, tell)
    print(renew)
    await node.aclose()
    async with ub.FractalNode("short") as short:
        await short.execute(pay)


def status(node: ub.FractalNode) -> None:
    """Read how a node is doing."""
    found = assert_type(node.get_status(), ub.NodeStatus)
    assert_type(found.name, str)
    assert_type(found.total_executions, int)
    assert_type(found.success_count, int)
    assert_type(found.failure_count, int)
    assert_type(found.heal_count, int)
    assert_type(found.degraded_count, int)
    assert_type(found.success_rate, float)
    assert_type(found.heal_rate, float)
    record: dict[str, Any] = found.to_dict()
    print(record, found.latency.p50, found.latency.p90, found.latency.p99, found.state, found.breaker, found.limit)
    print(found.budget, found.signatures, found.remedies, found.plan, found.children)


# ── Policies ────────────────────────────────────────────────────────────────────────────


def policies() -> None:
    """Configure each policy by name, or by its one obvious field."""
    backoff = ub.Backoff(first=0.1, factor=2.0, most=30.0, jitter=True)
    retry = ub.Retry(attempts=3, on=Exception, backoff=backoff)
    breaker = ub.CircuitBreaker(
        failures=5, ratio=None, window=30.0, minimum=10, rest=30.0, permits=1, slow=None, wait=0.0
    )
    timeout = ub.Timeout(3.0)
    hedge = ub.Hedge(after=0.05, most=1)
    bulkhead = ub.Bulkhead(most=64, wait=0.0)
    budget = ub.RetryBudget(ratio=0.2, floor=0.1, start=10, most=100)
    assert_type(dataclasses.replace(retry, attempts=5), ub.Retry)
    assert_type(retry.attempts, int)
    assert_type(timeout.seconds, float)
    retry.attempts = 7  # type: ignore[misc]
    print(ub.Strategy("patient", retry=retry, breaker=breaker, timeout=timeout, hedge=hedge, bulkhead=bulkhead))

    @ub.protect("pinned", retry=retry, hedge=hedge, budget=budget)
    async def pinned() -> int:
        return 1

    print(pinned)


# ── Nodes ───────────────────────────────────────────────────────────────────────────────


async def api_node() -> None:
    """Call a partner over HTTP."""
    async with ub.APINode(endpoint="https://partner.example", method="GET", name="partner") as api:
        body = await api.make_request({"from": "CAI"}, path="/search", params={"page": 1}, headers={"x": "y"})
        print(body["flights"])
        outcome = await api.make_request.outcome({"from": "CAI"}, method="POST", idempotency_key="order-17")
        assert_type(outcome, ub.Outcome[Any])
    many = ub.APINode(
        endpoint="https://a.example", endpoints=["https://a.example", "https://b.example"], retry=ub.Retry(3)
    )
    print(many.make_request_sync(path="/search"))
    await many.aclose()


async def hold(ctx: ub.Context) -> str:
    """Hold a room."""
    return f"{ctx.input} {ctx.results}"


async def release(ctx: ub.Context) -> None:
    """Give the room back."""


async def orchestrator() -> None:
    """Run steps in the order of their dependencies, and undo them if one fails."""
    orchestrator = ub.OrchestratorNode(concurrency_limit=4)
    steps = [
        ub.Step("search", search_step, depends_on=[]),
        ub.Step("hold", hold, depends_on=["search"], compensate=release, kind="compensatable", timeout=3.0),
        ub.Step("pay", pay, name="Pay", depends_on=["hold"], kind="pivot", node=ub.FractalNode("payments")),
        ub.Step("mail", pay, kind="retriable"),
    ]
    result = await orchestrator.orchestrate(steps, {"city": "CAI"})
    assert_type(result, ub.RunResult)
    assert_type(result.status, ub.RunStatus)
    match result.status:
        case ub.RunStatus.COMMITTED | ub.RunStatus.COMPENSATED | ub.RunStatus.NEEDS_ATTENTION:
            print(result.results["pay"], result.ledger)
    await orchestrator.orchestrate({"steps": [{"id": "search", "operation": search_step}]})
    print(ub.OrchestratorNode(concurrency_limit="auto").orchestrate_sync(steps))


def search_step() -> list[str]:
    """Be a step that takes nothing."""
    return ["CAI"]


# ── Loops ───────────────────────────────────────────────────────────────────────────────


async def loops() -> None:
    """Start work that goes on for ever."""
    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(name="MyLoop", operation=pay, interval=1.0, max_iterations=math.inf, effects="idempotent")
    loop.start()
    loop.pause()
    loop.resume()
    loop.trigger()
    found = loop.get_status()
    assert_type(found, ub.LoopStatus)
    assert_type(found.name, str)
    assert_type(found.is_running, bool)
    assert_type(found.current_iteration, int)
    assert_type(found.consecutive_errors, int)
    assert_type(found.interval, float)
    assert_type(found.performance.success_rate, float)
    assert_type(found.performance.heal_rate, float)
    assert_type(found.healing.known_remedy.tried, int)
    assert_type(found.healing.survival_mode.worked, int)
    assert_type(found.surviving, bool)
    assert_type(found.left_behind, int)
    assert_type(found.is_stuck, bool)
    assert_type(found.stuck, str | None)
    assert_type(found.in_progress, float | None)
    loop.reconfigure(interval=5.0, overlap="buffer_one")
    loop.reconfigure(schedule="@hourly", jitter=30.0)
    print(found.state, found.next_run, found.last_error)
    await loop.stop()
    await loop.wait()

    assert_type(engine.get_status().total_loops, int)
    assert_type(engine.get_status().active_loops, int)
    print(engine.get_status().loops)
    await engine.aclose()


def loops_without_an_event_loop() -> None:
    """Run in a background thread, or take over the program."""
    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(
        count, interval=0.0, max_iterations=3, quantum_mode=False, deadline=5.0, isolation="process", on_survival=count
    )
    loop.start()
    loop.wait_sync()
    loop.stop_sync()
    engine.run()


# ── Testing ─────────────────────────────────────────────────────────────────────────────


def a_month_in_a_second() -> None:
    """Drive the clock by hand."""
    with virtual_time() as clock:
        price("MS 777")
        clock.advance(30 * 86_400)
