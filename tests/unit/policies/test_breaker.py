"""What a breaker asks its circuit, how long it waits for it, and what it makes of how an attempt went."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace

import pytest

from unbreakable.errors import CircuitOpen, DeadlineExceeded, Kind, NotSent, VerificationFailed
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Circuit, CircuitBreaker, Context, Plan, Retry, Timeout
from unbreakable.policies.breaker import is_still_let_through, refusal, resting, verdict
from unbreakable.policies.circuit import as_part

DOWN = Failure(OSError("down"))
LATE = DeadlineExceeded("too late")


def opened(breaker, now=0.0):
    """Return a circuit that has just opened."""
    circuit = Circuit(breaker)
    for _ in range(breaker.failures):
        circuit.settle(circuit.generation, False, now)
    return circuit


def half_open(breaker, now=0.0):
    """Return a circuit whose first probe is out, and the probe's stamp."""
    circuit = opened(breaker, now - breaker.rest)
    return circuit, circuit.admit(now)[0]


# ── what an attempt says of its target ───────────────────────────────────────────────────


def unknown(circuit):
    """Return a target from which no answer ever came."""
    return SimpleNamespace(circuit=circuit, usual=lambda: None)


@pytest.mark.parametrize(
    ("result", "fields", "calm", "probing"),
    [
        (Success(1), {}, True, True),
        (Success(1), {"stream": object()}, None, True),
        (DOWN, {}, False, False),
        (DOWN, {"blameless": True}, None, None),
        (DOWN, {"unwanted": True}, None, None),
        (DOWN, {"plan": Plan(retry=Retry(on=KeyError))}, True, True),
        (DOWN, {"plan": Plan(retry=Retry(on=KeyError)), "fails_inside": True}, None, False),
        (Failure(OSError("500"), Kind.TRANSIENT), {"plan": Plan(retry=Retry(on=KeyError))}, None, True),
        (Failure(OSError("no"), Kind.BUG), {"plan": Plan(retry=Retry(on=KeyError))}, None, True),
        (Failure(TimeoutError(), cut=True, elapsed=1.9), {"plan": Plan(retry=Retry(on=KeyError))}, None, None),
        (DOWN, {"plan": Plan(retry=Retry(on=OSError))}, False, False),
        (DOWN, {"plan": Plan(retry=None)}, False, False),
        (Failure(VerificationFailed("no")), {"plan": Plan(retry=Retry(on=KeyError))}, False, False),
        (Failure(OSError("down"), mendable=True), {}, None, None),
        (Failure(OSError("down"), soft=True), {}, None, False),
        (Failure(CircuitOpen("further in")), {}, None, None),
        (Failure(OSError("no"), Kind.INVALID), {}, True, True),
        (Failure(OSError("no"), Kind.CREDENTIALS), {}, True, True),
        (Failure(OSError("no"), Kind.CREDENTIALS), {"blameless": True}, True, True),
        (Failure(OSError("no"), Kind.CREDENTIALS, mendable=True), {}, None, True),
        (Failure(OSError("slower"), Kind.THROTTLED, mendable=True), {"blameless": True}, None, True),
        (Failure(OSError("no"), Kind.INVALID, mendable=True, cut=True), {}, None, None),
        (Failure(OSError("no"), Kind.CREDENTIALS), {"plan": Plan(retry=Retry(on=KeyError))}, True, True),
        (Failure(OSError("no"), Kind.INVALID, cut=True), {}, None, None),
        (Failure(CircuitOpen("further in"), Kind.INVALID), {}, None, None),
        (Failure(NotSent("no such address"), Kind.INVALID), {}, None, None),
        (Failure(OSError("slower"), Kind.THROTTLED), {"blameless": True}, True, True),
        (Failure(OSError("down for a while"), Kind.THROTTLED), {}, False, False),
        (Failure(OSError("no"), Kind.BUG), {}, None, None),
        (Failure(OSError("no"), Kind.TIMEOUT), {}, False, False),
        (Failure(LATE, elapsed=9.5), {}, None, None),
        (Failure(LATE, cut=True, elapsed=6.0), {}, False, False),
        (Failure(LATE, cut=True, elapsed=5.9), {}, None, None),
        (Failure(LATE, cut=True, elapsed=4.5), {"deadline": 105.0}, False, False),
        (Failure(LATE, cut=True, elapsed=4.4), {"deadline": 105.0}, None, None),
        (Failure(LATE, cut=True, elapsed=9.0), {"target": unknown}, False, False),
        (Failure(LATE, cut=True, elapsed=8.9), {"target": unknown}, None, None),
        (Failure(LATE, cut=True, elapsed=1.8), {"target": unknown, "in_line": 8.0}, False, False),
        (Failure(LATE, cut=True, elapsed=1.7), {"target": unknown, "in_line": 8.0}, None, None),
        (Failure(LATE, cut=True, elapsed=9.0), {"deadline_is_ours": False}, None, None),
        (Failure(TimeoutError(), cut=True, elapsed=1.0), {}, False, False),
        (Failure(TimeoutError(), cut=True, elapsed=1.7), {"aside": 0.1}, None, None),
        (Failure(TimeoutError(), cut=True, elapsed=1.8), {"aside": 0.1}, False, False),
        (Failure(TimeoutError(), elapsed=1.7), {"aside": 0.1}, False, False),
    ],
)
def test_an_attempt_says_only_what_it_can_know_of_its_target(result, fields, calm, probing):
    """That it is well, or that it is not, or nothing; a probe, for which everybody waits, says a little more."""
    for circuit, expected in ((Circuit(CircuitBreaker()), calm), (half_open(CircuitBreaker())[0], probing)):
        ctx = Context()
        ctx.plan, ctx.target, ctx.cancels = (
            Plan(timeout=Timeout(2.0)),
            SimpleNamespace(circuit=circuit, usual=lambda: 3.0),
            0,
        )
        ctx.runtime, ctx.started, ctx.deadline = SimpleNamespace(cancellations=lambda: 0), 100.0, 110.0
        for name, value in fields.items():
            setattr(ctx, name, value(circuit) if value is unknown else value)

        assert expected is verdict(result, ctx)
        if "unwanted" in fields:
            assert verdict(result, ctx, wanted=True) is False  # whoever asks knows better


@pytest.mark.parametrize(
    ("stamp", "free", "generation", "through"),
    [
        (0, True, 5, True),
        (5, False, 5, True),
        (4, False, 5, False),
        (as_part(5), False, 5, True),
        (as_part(4), False, 5, False),
    ],
)
def test_whoever_was_let_through_before_it_opened_is_not_any_more(stamp, free, generation, through):
    """While calls go through freely everybody is."""
    circuit = SimpleNamespace(stamp=generation if free else None, generation=generation)
    ctx = SimpleNamespace(target=SimpleNamespace(circuit=circuit), stamp=stamp)

    assert through is is_still_let_through(ctx)


# ── what whoever is turned away is told ──────────────────────────────────────────────────


def test_a_rest_is_told_to_the_millisecond():
    """In the words that were used for the same millisecond."""
    circuit = opened(CircuitBreaker(1))
    told = [str(resting("bank", circuit, rest)).split()[-3] for rest in (5.0, 4.9995, 4.9991, 4.9988, 5.5)]

    assert ["5.000", "5.000", "5.000", "4.999", "5.500"] == told


def test_words_are_used_again_for_less_than_a_millisecond():
    """A rest of a millisecond less has words of its own."""
    circuit = opened(CircuitBreaker(1))
    resting("bank", circuit, 0.5)
    circuit.told = *circuit.told[:2], "as before"

    assert "as before" == str(resting("bank", circuit, 0.5))
    assert "as before" == str(resting("bank", circuit, 0.4995))
    assert "the circuit of bank is open for 0.499 s more" == str(resting("bank", circuit, 0.499))
    resting("bank", circuit, 0.001)
    assert "the circuit of bank is open for 0.000 s more" == str(resting("bank", circuit, 0.0))


WORDS = ("is open for 1.000 s more", *["was forced open"] * 2, "is open for 4.000 s more", "is open for 1.000 s more")


def test_another_rest_has_words_of_its_own():
    """It may be longer than the last one, or last until somebody ends it by hand."""
    circuit = opened(CircuitBreaker(1, rest=5.0))
    told = [str(resting("bank", circuit, 1.0))]
    circuit.force_open()
    told += [str(resting("bank", circuit, circuit.until)) for _ in range(2)]
    circuit.reset()
    circuit.settle(circuit.generation, False, 9.0)
    told += [str(resting("bank", circuit, 4.0)), str(resting("bank", circuit, 1.0))]

    assert ["the circuit of bank " + how for how in WORDS] == told


@pytest.mark.parametrize(
    ("rest", "words", "after"),
    [
        (5.0, "the circuit of bank is open for 5.000 s more", 5.0),
        (math.inf, "the circuit of bank was forced open", None),
    ],
)
def test_a_refusal_says_how_long_to_wait(rest, words, after):
    """If that is known."""
    error = resting("bank", opened(CircuitBreaker(1)), rest)

    assert (CircuitOpen, words, after) == (type(error), str(error), error.retry_after)


def test_a_circuit_that_is_not_quite_open_says_why_it_refuses():
    """A probe is out, or it is only just back."""
    probing, stamp = half_open(CircuitBreaker(1, ramp=10.0))
    first = str(refusal("bank", probing, 0.0))
    probing.settle(stamp, True, 1.0)
    second = str(refusal("bank", probing, 0.0))

    assert "the circuit of bank is half-open: a call is finding out whether its target is back" == first
    assert "the circuit of bank lets 10 % of the calls through: its target is only just back" == second


# ── a run ────────────────────────────────────────────────────────────────────────────────


def run(bench, breaker, answer, *, circuit=None, line=0, **fields):
    """Return what a run comes to, the seconds that it took, its context, and the events that were told."""
    events, bench.target.circuit = [], circuit or Circuit(breaker)
    bench.node.tell = events.append

    async def story():
        began = bench.runtime.now()
        if bench.target.circuit.until:
            bench.target.circuit.until += began
        for _ in range(line):
            bench.target.circuit.line.join(bench.runtime)
        moments = {name: began + value for name, value in fields.items() if name in ("started", "deadline")}
        ctx = bench.context(cancels=0, **{**fields, **moments})
        try:
            found = await breaker.run(bench.inner(answer), ctx)
        except KeyboardInterrupt as stop:
            found = stop
        return found, bench.runtime.now() - began, ctx, events

    return bench.play(story)


@pytest.mark.parametrize(("aside", "state"), [(0.0, "open"), (1.5, "closed")])
def test_the_time_at_the_target_is_what_counts(bench, aside, state):
    """What an attempt has waited for something of ours is not the target's."""
    breaker = CircuitBreaker(1, slow=1.0)
    run(bench, breaker, (2.0, Success(1)), aside=aside)

    assert state == bench.target.circuit.state


def test_an_attempt_that_went_on_was_let_through_long_ago(bench):
    """It is asked for no permit again, and began when it began."""
    breaker = CircuitBreaker(1, slow=1.0)
    found, *_ = run(bench, breaker, Success(1), pursuit=object(), stamp=0, started=-5.0)
    late, *_ = run(bench, breaker, Success(2), circuit=opened(breaker, 1e9), pursuit=object(), stamp=0)

    assert (1, 2) == (found.value, late.value)


def test_an_attempt_that_went_on_counts_as_long_as_it_took(bench):
    """From its own beginning, not from where the script took it up."""
    breaker = CircuitBreaker(1, slow=1.0)
    run(bench, breaker, Success(1), pursuit=object(), stamp=0, started=-5.0)

    assert "open" == bench.target.circuit.state


def test_a_probe_that_is_stopped_gives_its_permit_back(bench):
    """It says nothing of the target."""
    breaker = CircuitBreaker(1)
    circuit = opened(breaker)
    circuit.until = 0.0
    stop, _, _, events = run(bench, breaker, KeyboardInterrupt(), circuit=circuit)

    assert isinstance(stop, KeyboardInterrupt)
    assert (0, ["CircuitHalfOpened"]) == (circuit.probes, [type(event).__name__ for event in events])


@pytest.mark.parametrize(
    ("answer", "settings", "told"),
    [
        (Success(1), {}, ["CircuitHalfOpened", "CircuitClosed"]),
        (Success(1), {"ramp": 8.0}, ["CircuitHalfOpened", "CircuitRamping"]),
        (DOWN, {}, ["CircuitHalfOpened", "CircuitOpened"]),
    ],
)
def test_what_happens_to_the_circuit_is_told(bench, answer, settings, told):
    """With how long it rests, or takes to close."""
    breaker = CircuitBreaker(1, rest=20.0, **settings)
    circuit = opened(breaker)
    circuit.until = 0.0
    *_, events = run(bench, breaker, answer, circuit=circuit)

    assert told == [type(event).__name__ for event in events]
    facts = events[-1].to_dict()
    assert facts.get("rest", 20.0) == 20.0
    assert facts.get("seconds", 8.0) == 8.0
    assert {"CircuitOpened": "rest", "CircuitRamping": "seconds"}.get(told[-1], "at") in facts


@pytest.mark.parametrize(
    ("wait", "fields", "took"),
    [
        (0.0, {}, 0.0),
        (5.0, {}, 5.0),
        (5.0, {"waited": 3.0}, 2.0),
        (5.0, {"waited": 6.0}, 0.0),
        (30.0, {"deadline": 1.0}, 0.0),
        (30.0, {"deadline": 20.0}, 0.0),
        (5.0, {"deadline": 20.1}, 5.0),
        (30.0, {"deadline": 20.1}, 20.0),
        (30.0, {}, 20.0),
    ],
)
@pytest.mark.usefixtures("looks_take_no_time")
def test_a_call_waits_as_long_as_it_may(bench, wait, fields, took):
    """Less what it has waited already, until it is let through; not at all where the rest ends after its deadline."""
    breaker = CircuitBreaker(1, rest=20.0, wait=wait)
    found, seconds, ctx, events = run(bench, breaker, Success(1), circuit=opened(breaker), **fields)

    assert pytest.approx(took) == seconds
    assert pytest.approx(fields.get("waited", 0.0) + took) == ctx.waited
    assert (took == 20.0) is isinstance(found, Success)
    assert (took == 20.0) is (["CircuitHalfOpened", "CircuitClosed"] == [type(event).__name__ for event in events])
    if took < 20.0:
        assert pytest.approx(20.0 - took) == found.error.retry_after


@pytest.mark.parametrize(("line", "waits"), [(999, True), (1_000, False)])
def test_a_line_has_an_end(bench, line, waits):
    """A thousand wait; whoever comes then is refused at once."""
    breaker = CircuitBreaker(1, rest=20.0, wait=5.0)
    _, seconds, _, _ = run(bench, breaker, Success(1), circuit=opened(breaker), line=line)

    assert waits is (seconds > 0.0)


@pytest.mark.usefixtures("looks_take_no_time")
def test_a_call_waits_for_whoever_finds_out_until_its_deadline(bench):
    """That may be over at any moment, however long the permit is given for."""
    breaker = CircuitBreaker(1, rest=20.0, wait=30.0)
    circuit, _ = half_open(breaker)
    found, seconds, *_ = run(bench, breaker, Success(1), circuit=circuit, deadline=7.0)

    assert (CircuitOpen, pytest.approx(7.0)) == (type(found.error), seconds)


@pytest.mark.parametrize(("full", "state"), [(True, "closed"), (False, "open")])
def test_a_target_that_is_full_and_serves_others_is_not_down(bench, full, state):
    """It is asked of the failure itself, and of this moment."""
    bench.target.flow = SimpleNamespace(says_full=lambda failure: full and failure is DOWN)
    bench.target.serves_others = lambda failure, now: failure is DOWN and now == bench.runtime.now()
    run(bench, CircuitBreaker(1), DOWN)

    assert state == bench.target.circuit.state


def test_whoever_is_first_in_line_looks_at_most_once_a_millisecond():
    """A wait that ends a little early, as clocks have it, is no reason to ask all the time."""
    breaker, pauses, moments = CircuitBreaker(1, rest=5.0), [], iter([4.9999999, 5.1])

    async def wait(waiter, seconds):
        pauses.append(seconds)

    ctx = Context()
    waiter = lambda: SimpleNamespace(alive=lambda: True)
    ctx.runtime = SimpleNamespace(now=moments.__next__, wait=wait, waiter=waiter)
    circuit = opened(breaker)
    ctx.node, ctx.target = SimpleNamespace(listeners=()), SimpleNamespace(circuit=circuit)
    place = circuit.line.join(ctx.runtime)
    stamp = asyncio.run(breaker._wait_in_line(circuit, ctx, place, 60.0))

    assert ([pytest.approx(0.001)], 2) == (pauses, stamp)


def test_a_rest_that_ends_while_its_caller_is_refused_is_over():
    """Nobody is told to wait for less than nothing."""
    breaker, clock = CircuitBreaker(1, rest=5.0), iter([4.999, 5.001, 5.001])
    ctx = Context()
    ctx.runtime = SimpleNamespace(now=clock.__next__)
    ctx.node = SimpleNamespace(name="bank", listeners=(), hears=None)
    ctx.target = SimpleNamespace(circuit=opened(breaker))
    found = asyncio.run(breaker.run(None, ctx))

    assert (0.0, "the circuit of bank is open for 0.000 s more") == (found.error.retry_after, str(found.error))


def test_a_probe_that_is_interrupted_asks_for_more_time_than_it_had(bench):
    """It was let through at second 10, for three; who comes next needs six, and half of its time in any case."""
    breaker = CircuitBreaker(1, rest=5.0)
    bench.target.circuit = circuit = opened(breaker)

    async def story():
        await bench.runtime.sleep(10.0)
        with pytest.raises(KeyboardInterrupt):
            await breaker.run(bench.inner((3.0, KeyboardInterrupt())), bench.context(deadline=math.inf))
        now = bench.runtime.now()
        return [circuit.has_time(now, now - 94.0, now + left) for left in (6.0, 6.1)]

    assert [False, True] == bench.play(story)
