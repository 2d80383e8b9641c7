"""Unbreakable, as its own documentation says."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import Any

from tests.torture.matrix.peer import Peer

import unbreakable as ub
from unbreakable.testing import virtual_time


class Unbreakable(Peer):
    """One door for everything; what is not wished for is switched off, so that each story is about one thing."""

    name = "unbreakable"
    refused = (ub.errors.Rejected,)
    cut = (ub.errors.AttemptTimeout,)

    def options(self, **wishes: Any) -> dict[str, Any]:
        """Return the keywords of protect() for *wishes*."""
        options: dict[str, Any] = {
            "effects": "idempotent",
            "retry": False,
            "breaker": False,
            "hedge": False,
            "budget": False,
            "deadline": math.inf,
            **{name: wishes[name] for name in ("verify", "fallback", "deadline", "effects") if name in wishes},
        }
        if retry := wishes.get("retry"):
            pauses = ub.Backoff(retry.pause, factor=1.0, most=max(retry.pause, 1.0), jitter=False)
            options["retry"] = ub.Retry(retry.attempts, on=retry.on, backoff=pauses)
        if breaker := wishes.get("breaker"):
            options["breaker"] = ub.CircuitBreaker(
                breaker.failures,
                rest=breaker.rest,
                permits=breaker.permits,
                slow=breaker.slow,
                most_rest=breaker.most_rest,
            )
            options["retry"] = options["retry"] or ub.Retry(1, on=breaker.on)
        if budget := wishes.get("budget"):
            options["budget"] = ub.RetryBudget(budget.ratio, floor=0.0, start=budget.start)
        if "timeout" in wishes:
            options["timeout"] = ub.Timeout(wishes["timeout"])
        if "hedge" in wishes:
            options["hedge"] = ub.Hedge(wishes["hedge"])
        if "bulkhead" in wishes:
            options["bulkhead"] = ub.Bulkhead(wishes["bulkhead"])
        return options

    def protect(self, work: Any, **wishes: Any) -> Any:
        return ub.protect(**self.options(**wishes))(work)

    def block(self, retry: Any) -> Any:
        options = self.options(retry=retry)

        async def run(body: Any) -> None:
            async for attempt in ub.attempts("block", **options):
                async with attempt:
                    await body()

        return run

    def sync_block(self, retry: Any) -> Any:
        options = self.options(retry=retry)

        def run(body: Any) -> None:
            for attempt in ub.attempts("block", **options):
                with attempt:
                    body()

        return run

    def stream(self, work: Any, retry: Any) -> Any:
        return self.protect(work, retry=retry)

    def stream_breaker(self, work: Any, breaker: Any) -> Any:
        return self.protect(work, breaker=breaker)

    def defaults(self, work: Any) -> Any:
        return ub.protect(work)

    def shared_budget(self, works: Any, retry: Any, budget: Any) -> Any:
        options = self.options(retry=retry)
        options.pop("budget")
        target = ub.FractalNode("target", **self.options(budget=budget))
        nodes = [target.create_child(f"way {number}", **options) for number in range(len(works))]
        return [self.of_node(node, work) for node, work in zip(nodes, works, strict=True)]

    @staticmethod
    def of_node(node: Any, work: Any) -> Any:
        """Return *work*, made by *node* when it is called."""
        return lambda: node.execute_sync(work).unwrap()

    def shared_bulkhead(self, most: int) -> Any:
        node = ub.FractalNode("target", **self.options(bulkhead=most))

        def guard(work: Any) -> Any:
            if asyncio.iscoroutinefunction(work):

                async def door(seconds: float) -> Any:
                    return (await node.execute(lambda: work(seconds))).unwrap()

                return door
            return lambda seconds: node.execute_sync(lambda: work(seconds)).unwrap()

        return guard

    def keyed(self, work: Any, breaker: Any) -> Any:
        return ub.protect(**self.options(breaker=breaker), key=lambda host: host)(work)

    def force_open(self, door: Any) -> None:
        door.node.breaker.force_open()

    async def told(self, door: Any, calls: Any) -> list[int]:
        return [outcome.attempts for outcome in await asyncio.gather(*(door.outcome(*args) for args in calls))]

    def counted(self, door: Any) -> tuple[int, int]:
        status = door.node.get_status()
        return status.success_count, status.failure_count

    async def outcome(self, door: Any) -> tuple[Any, bool]:
        outcome = await door.outcome()
        return outcome.value, outcome.ok

    def once(self, work: Any, seconds: float) -> Any:
        hedged = ub.Strategy("hedged", hedge=ub.Hedge(seconds))  # by itself it would be refused
        return ub.protect(**{**self.options(effects="once"), "hedge": None}, strategy=hedged)(work)

    def cached(self, work: Any, answer: Any) -> Any:
        fares, door = ub.CacheNode(ttl=60.0), self.protect(work, fallback=answer)

        async def read() -> Any:
            return await fares.get("fares", fetch=door)

        return read

    def learning(self, work: Any, retry: Any) -> Any:
        return self.protect(work, retry=retry)

    def settings(self) -> list[Any]:
        return [ub.Retry(), ub.CircuitBreaker(), ub.Timeout(1.0), ub.Bulkhead(), ub.Hedge(), ub.RetryBudget()]

    after = staticmethod(Peer.asking)

    def testing(self) -> Any:
        return virtual_time()

    @contextlib.contextmanager
    def virtual(self) -> Any:
        with virtual_time():
            yield asyncio.sleep

    def typed(self) -> dict[str, str]:
        decorator = "@ub.protect()"
        return {
            "imports": "import unbreakable as ub",
            "decorator": decorator,
            "async_decorator": decorator,
            "fallback_decorator": "@ub.protect(fallback=lambda failure: None)",
        }


PEER = Unbreakable
