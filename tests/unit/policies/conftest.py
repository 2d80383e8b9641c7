"""A context for policies to run in, with as little around it as they ask for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from unbreakable.fractal.copies import Copies
from unbreakable.fractal.signature import is_named
from unbreakable.fractal.trace import Notebook
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Circuit, CircuitBreaker, Context, Plan
from unbreakable.policies.policy import enter
from unbreakable.runtime import ASYNCIO, BLOCKING, Gate, run_blocking
from unbreakable.testing import virtual_time


class Stub:
    """A node that agrees to everything and writes down what it is told."""

    def __init__(self) -> None:
        self.name, self.listeners, self.heard = "stub", True, []
        self.affords, self.copies = 1_000, Copies()

    def hears(self, kind: Any) -> bool:
        return True

    def tell(self, event: Any) -> None:
        self.heard.append(type(event).__name__)

    def next_id(self) -> str:
        return "0001"

    def may_hedge(self, ctx: Context) -> bool:
        self.affords -= 1
        return self.affords >= 0

    def mends(self, failure: Failure, ctx: Context) -> bool:
        """Return False: it has no remedies."""
        return False


class Bench:
    """Run one policy on each driver, in virtual time."""

    def __init__(self, driver: str) -> None:
        self.runtime: Any = ASYNCIO if driver == "asyncio" else BLOCKING
        self.node = Stub()
        self.clock: Any = None
        self.target = SimpleNamespace(
            **{name: [] for name in ("ages", "beside", "beside_cut", "sent")},
            lag=0.0,
            lead=0.0,
            circuit=Circuit(CircuitBreaker()),
            gate=Gate(1),
            slow_again=0.0,
            flow=None,
            shades=None,
            is_named=is_named,
        )

    def context(self, **fields: Any) -> Context:
        ctx = Context()
        ctx.node, ctx.target, ctx.runtime, ctx.plan = self.node, self.target, self.runtime, Plan()
        ctx.started, ctx.notebook = self.runtime.now(), Notebook(self.runtime.now, self.runtime.now())
        for name, value in fields.items():
            setattr(ctx, name, value)
        self.target.plan = ctx.plan
        return ctx

    def inner(self, *answers: Any) -> Any:
        """Return a step whose n-th run takes so many seconds, then answers that; a bare answer takes none."""
        left = list(answers)

        async def inner(ctx: Context) -> Any:
            assert isinstance(ctx, Context)
            answer = left.pop(0)
            seconds, answer = answer if isinstance(answer, tuple) else (0.0, answer)
            await self.runtime.sleep(seconds)
            if isinstance(answer, (Success, Failure)):
                return answer
            if isinstance(answer, BaseException) and not isinstance(answer, Exception):
                raise answer
            return Failure(answer) if isinstance(answer, Exception) else Success(answer)

        return inner

    def play(self, story: Any) -> Any:
        with virtual_time() as self.clock:
            try:
                return asyncio.run(story()) if self.runtime.preemptive else run_blocking(story())
            finally:
                enter(None)


@pytest.fixture(params=["asyncio", "blocking"])
def bench(request):
    """Return a bench for each driver."""
    return Bench(request.param)
