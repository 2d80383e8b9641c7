"""What a step has left at work is known until its run has ended, and waited for before the step is undone."""

from __future__ import annotations

from typing import Any

from unbreakable.fractal import FractalNode
from unbreakable.policies import Context, current
from unbreakable.policies.deeds import Deeds
from unbreakable.policies.plan import COLD_DEADLINE
from unbreakable.policies.policy import enter
from unbreakable.policies.under_way import all_over
from unbreakable.runtime import Runtime

TO_END = 2.0  # seconds beyond its deadline that a call may still be at work: a fallback has one, and what is cut tidies
AT_MOST = COLD_DEADLINE + TO_END  # seconds that are waited for all together


class Leftover:
    """Stand around the calls of one step.

    What code that the step has left goes on to call is inside of this as well, until the run has ended.  All that is
    done here belongs to the call around the run, whose ledger this shares.
    """

    def __init__(self) -> None:
        self._scope: Context | None = None
        self._calls: list[Context] = []  #: of the step itself

    def enter(self, node: FractalNode, runtime: Runtime) -> None:
        """Be around what is called in this context from now on; *node* is whose steps they are."""
        outer, scope = current(), Context()
        scope.node, scope.runtime, scope.above, scope.plan = node, runtime, outer, node.target.plan
        scope.own_deeds = Deeds() if outer is None else outer.deeds
        scope.borrow(outer)
        self._scope = scope
        enter(scope)

    def opened(self, ctx: Context) -> None:
        """Note that *ctx* is a call of the step."""
        self._calls.append(ctx)

    def tell_outside(self) -> None:
        """Tell the call around the run what the step's last call has said to this."""
        scope = self._scope
        outer = None if scope is None else scope.parent
        if scope is None or outer is None:
            return
        outer.know_again(scope)
        scope.spent = scope.passed = ()
        if scope.makeshift:
            scope.leave_makeshift()

    async def is_over(self, runtime: Runtime, at_most: float = AT_MOST) -> bool:
        """Return whether nothing of the step is at work, having waited for it *at_most* so many seconds.

        A call is waited for as long as it has time, and what it takes to end; what may go on for ever, such as a
        stream's source, as long as that takes.  A plain step's own attempt that was cut is not waited for: it may hang.
        """
        now = runtime.now()

        def until(call: Any) -> float:
            return now + at_most if call is None else min(max(float(call.deadline), now) + TO_END, now + at_most)

        return self._scope is None or await all_over(self._scope, runtime, until, self._calls)

    def end(self) -> None:
        """Let go of what goes on: its run has ended."""
        self._calls.clear()
        if self._scope is not None:
            self._scope.end()
