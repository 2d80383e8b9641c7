"""A call that an open circuit turns away costs as little as raising does: many come while a target is down.

What the script would come to, where nothing else has a say, is known before: the circuit refuses, nobody repeats that.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, TypeAlias

from unbreakable.errors import Kind
from unbreakable.fractal.healing import Healing, failed_in_words, not_again_in_words, not_repeated
from unbreakable.fractal.telling import untried
from unbreakable.fractal.trace import Notebook
from unbreakable.fractal.trying import Validation, check_input
from unbreakable.outcome import Outcome, Status, Trace
from unbreakable.policies import Bulkhead, Plan
from unbreakable.policies.breaker import ENDLESS, resting
from unbreakable.policies.circuit import LOOK_EACH
from unbreakable.policies.policy import innermost
from unbreakable.runtime import Runtime

STEPS = (
    *("try.validate.check_input", "try.validate.check_state", "try.validate.prepare"),
    *("heal.diagnose.classify", "heal.diagnose.sign", "heal.diagnose.find_cause", "learn.store.record"),
)
NO_TICKETS = deque[None](maxlen=0)  # of most targets: no circuit of theirs has opened
WayBack: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], Exception | None]


def is_all(around: Sequence[object], plan: Plan) -> bool:
    """Return whether a call with these layers *around* it fails, where the circuit is open, and that is all."""
    if plan.breaker is not None and plan.breaker.wait and not plan.breaker.learned:
        return False
    open_to_all = (plan.concurrency, plan.throttle)  # as long as there is a place, and nothing is shed
    return all(type(layer) in (Validation, Bulkhead, Healing) or layer in open_to_all for layer in around)


def way_back(node: Any, target: Any, runtime: Runtime) -> WayBack:
    """Return what turns a call away as the script would, if that is all that it would do, and takes nothing else.

    That returns the CircuitOpen to be raised, or what is wrong with the arguments, if they were looked at and refused,
    or None.
    """
    circuit, gate, validate = target.circuit, target.gate, node.validate
    if not target.turns_away:
        return nowhere
    breaker = target.plan.breaker
    patience, most_waiting = (0.0, 0) if breaker is None else (breaker.wait, breaker.most_waiting)
    opened, forced = untried(node.name, "open"), untried(node.name, "forced open")

    def refusal_if_shut(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception | None:
        outer = innermost()
        if not circuit.shut or node.listeners or (outer is not None and outer.live):
            return None
        if gate is not None and (gate.line or not (gate.free or gate.made < gate.most)):  # as gate.is_full says
            return None
        if validate is not None and (refused := check_input(node.settings, args, kwargs)) is not None:
            return refused
        rest = circuit.until - runtime.now()
        if rest <= patience and (rest <= 0.0 or len(circuit.line) < most_waiting):
            return None
        try:
            target.tickets.pop()  # atomic with and without a GIL, as the ring of successes
        except IndexError:
            hand_out_tickets(target)
            circuit.turn_away(rest)
        return resting(node.name, circuit, rest, opened if rest < ENDLESS else forced)

    return refusal_if_shut


def count_turned_away(target: Any, without: int = 0) -> None:
    """Count the calls that took a ticket of *target*, and so many *without* one, of which its circuit is told apart."""
    with target.lock:
        left, counts, circuit = len(target.tickets), target.counts, target.circuit
        taken = target.handed_out - left  # and no call from here on, after which a signal's exception could come up
        target.handed_out = left
        counts.failed += taken + without
        circuit.away += taken


def hand_out_tickets(target: Any) -> None:
    """Count the calls that were turned away, with one that had no ticket; there are some for the next ones now."""
    count_turned_away(target, without=1)
    more = repeat(None, LOOK_EACH)
    with target.lock:
        if target.tickets is NO_TICKETS:
            target.tickets = deque()
        target.handed_out += LOOK_EACH
        target.tickets.extend(more)  # in one step with the line before, as far as a signal can tell


def nowhere(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Turn nobody away."""


def outcome_if_shut(node: Any, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome[Any] | None:
    """Return the outcome of a call that an open circuit turns away; None where the script has to be played."""
    target = node.targets.only or node.targets.if_any(args, kwargs)
    if target is None or not target.circuit.shut or node.validate is not None:
        return None
    retry = target.plan.retry
    if retry is not None and retry.on is not Exception:
        return None  # why it is not repeated is for the script to say
    error = way_back(node, target, runtime)(args, kwargs)
    if error is None:
        return None
    del error.__notes__  # which is for those at whom it is raised
    return _outcome(node, target.plan, error)


def _outcome(node: Any, plan: Plan, error: Exception) -> Outcome[Any]:
    lines = [f"0.000 s  {failed_in_words(1, Kind.REJECTED, error)}"]
    if plan.retry is not None and plan.retry.attempts > 1:
        lines.append(f"0.000 s  {not_again_in_words(not_repeated(Kind.REJECTED))}")
    steps = _steps()
    trace = Trace(stages=steps.stages, background=steps.background, story=tuple(lines))
    name, strategy = node.next_id(), plan.strategy
    return Outcome(
        id=name, node=node.name, status=Status.FAILED, error=error, attempts=0, strategy=strategy, trace=trace
    )


@functools.cache
def _steps() -> Trace:
    """Return the steps that a call takes to be turned away; how long they took is next to nothing."""
    book = Notebook(float, 0.0)
    for path in STEPS:
        book.did(path)
    return book.close()
