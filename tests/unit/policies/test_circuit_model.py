"""The circuit beside a naive one that keeps everything that happened and counts anew whenever it is asked."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dense import most

from unbreakable.policies import Circuit, CircuitBreaker, Slow

SHARES = (10, 20, 40, 80)


class Naive:
    """A circuit as one would tell it, without counters: lists of what happened, looked through from the start.

    A permit is an object; what comes of one that was given out in an earlier *era* is not looked at.
    """

    def __init__(self, terms: CircuitBreaker) -> None:
        self.terms, self.vain, self.slept, self.well_since = terms, 0, 0.0, -math.inf
        self.latest = -math.inf  # when what succeeded lately began: remembered for ever
        self.since = set()  # eras since it opened while calls went through freely
        self.begin("closed", 0.0)

    def begin(self, state: str, now: float, *, keeps: bool = False) -> None:
        self.state, self.began, self.era = state, now, object()
        self.since.add(self.era)
        self.out, self.proofs = [], []
        self.row = []  # verdicts of this state
        self.log = self.log if keeps else []
        if state == "ramping":
            self.steps = [(0, now)]  # steps taken: number, beginning
            self.arrivals, self.step_log = [], []
        if state == "closed":
            self.well_since = now

    def open(self, now: float) -> None:
        if self.state == "closed" and now - self.well_since >= self.slept:
            self.vain = 0
        if self.state in ("closed", "ramping"):
            self.since = set()
        longest = self.terms.most_rest or self.terms.rest
        self.slept = min(longest, self.terms.rest * 2**self.vain)
        self.vain += 1
        self.begin("open", now)
        self.until = now + self.slept

    def admit(self, now: float) -> object | None:
        if self.state in ("open", "half-open") and now >= self.until:
            if self.state == "half-open":
                self.era, self.out = object(), self.proofs[:]
                self.since.add(self.era)
            else:
                self.begin("half-open", now)
                self.hold = self.terms.rest
            self.until = now + self.hold
        elif self.state == "ramping":
            self.take_steps(now)
        lets = {
            "closed": lambda: True,
            "disabled": lambda: True,
            "open": lambda: False,
            "forced open": lambda: False,
            "half-open": lambda: len(self.out) < self.terms.permits,
            "ramping": self.is_its_turn,
        }[self.state]()
        if not lets:
            return None
        self.out.append(self.era)
        return self.era

    def is_its_turn(self) -> bool:
        """Return whether the whole number of attempts due so far has grown with this one; the first one is due."""
        due = [sum(self.arrivals) + 90, 0]
        self.arrivals.append(SHARES[self.steps[-1][0]])
        return (due[0] + self.arrivals[-1]) // 100 > due[0] // 100

    def take_steps(self, now: float) -> None:
        pace = self.terms.ramp / 4
        while self.state == "ramping" and now >= self.steps[0][1] + pace * len(self.steps):
            number = self.steps[-1][0]
            went_badly = self.step_log and self.is_too_much(self.step_log, self.terms.ratio or 0.5)
            number += -1 if went_badly else 1
            if number < 0:
                self.open(now)
            elif number > 3:
                self.begin("closed", now, keeps=True)
            else:
                self.steps.append((number, now))
                self.step_log = []

    def is_too_much(self, log: list, failing: float | None) -> bool:
        failed = [entry for entry in log if not entry[1]]
        slow = [entry for entry in log if entry[2]]
        return (failing is not None and len(failed) >= failing * len(log)) or (
            isinstance(self.terms.slow, Slow) and len(slow) >= self.terms.slow.ratio * len(log)
        )

    def settle(self, era: object, ok: bool | None, now: float, elapsed: float) -> None:
        if era is not self.era or self.state == "disabled":
            if self.state == "half-open" and ok and elapsed > self.hold and era in self.since:
                self.hold = elapsed * 2
                self.until = now + self.hold
            return
        if ok and isinstance(self.terms.slow, float) and elapsed > self.terms.slow:
            ok = False
        slow = isinstance(self.terms.slow, Slow) and elapsed > self.terms.slow.seconds
        if self.state == "half-open":
            self.look_at_probe(ok, now, slow)
        elif self.state in ("closed", "ramping") and ok is not None:
            self.count(ok, now, now - elapsed, slow)

    def look_at_probe(self, ok: bool | None, now: float, slow: bool) -> None:
        if ok is None:
            self.out.pop()
        elif not ok:
            self.open(now)
        else:
            self.proofs.append((now, True, slow))
            if len(self.proofs) == self.terms.permits:
                if self.is_too_much(self.proofs, None):
                    self.open(now)
                else:
                    self.begin("ramping" if self.terms.ramp else "closed", now)

    def count(self, ok: bool, now: float, began: float, slow: bool) -> None:
        if ok:
            self.latest = max(self.latest, began)
            self.row = []
        elif began > self.latest - 0.001:
            self.row.append(began)
        self.log.append((now, ok, slow))
        if self.state == "ramping":
            self.step_log.append((now, ok, slow))
        recent = self.recent()
        shares = self.terms.ratio is not None or isinstance(self.terms.slow, Slow)
        least = min(self.terms.minimum, self.terms.last or self.terms.minimum)
        if (shares and len(recent) >= least and self.is_too_much(recent, self.terms.ratio)) or (
            self.terms.ratio is None and len(self.row) >= self.terms.failures
        ):
            self.open(now)

    def recent(self) -> list:
        if self.terms.last is not None:
            return self.log[-self.terms.last :]
        start = self.log[0][0]
        tenths = [math.floor((entry[0] - start) * 10 / self.terms.window) for entry in self.log]
        return [entry for entry, tenth in zip(self.log, tenths, strict=True) if tenth > tenths[-1] - 10]

    def by_hand(self, how: str) -> None:
        self.vain, self.slept = 0, 0.0
        self.begin({"force_open": "forced open", "disable": "disabled", "reset": "closed"}[how], 0.0)
        self.well_since = -math.inf

    def wake(self, now: float) -> None:
        if self.state == "open":
            self.until = min(self.until, now)


moments = st.sampled_from([0.0, 0.25, 1.0, 2.5, 5.0, 10.0, 20.0])
verdicts = st.sampled_from([True, True, True, False, False, None])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("calls"), moments, st.integers(1, 12), verdicts, st.sampled_from([0.0, 0.5, 2.0])),
        st.tuples(st.just("calls"), moments, st.integers(1, 12), st.booleans(), st.sampled_from([0.0, 1.0])),
        st.tuples(st.just("look"), st.integers(1, 4)),
        st.tuples(st.just("look"), st.integers(1, 4)),
        st.tuples(st.just("begin"), moments, st.integers(1, 4)),
        st.tuples(st.just("end"), st.integers(0, 5), verdicts, moments),
        st.tuples(st.sampled_from(["force_open", "disable", "reset", "wake", "wake", "wake"])),
    ),
    min_size=25,
    max_size=50,
)
SETTINGS = {
    "failures": st.integers(1, 3),
    "minimum": st.integers(1, 4),
    "rest": st.just(10.0),
    "most_rest": st.sampled_from([None, 25.0, 80.0]),
    "window": st.sampled_from([4.0, 30.0]),
    "permits": st.integers(1, 3),
    "ramp": st.sampled_from([0.0, 4.0, 10.0, 40.0]),
}
terms = st.one_of(
    st.builds(CircuitBreaker, **SETTINGS, slow=st.sampled_from([None, 1.0])),
    st.builds(
        CircuitBreaker,
        **SETTINGS,
        ratio=st.sampled_from([0.5, 1.0]),
        slow=st.sampled_from([None, 1.0, Slow(1.0, ratio=0.6)]),
        last=st.sampled_from([None, 1, 3, 5]),
    ),
    st.builds(CircuitBreaker, **SETTINGS, slow=st.just(Slow(1.0, ratio=0.6)), last=st.sampled_from([None, 1, 3, 5])),
)


class Pair:
    """Both of them, to which the same happens."""

    def __init__(self, terms: CircuitBreaker) -> None:
        self.circuit, self.naive = Circuit(terms), Naive(terms)
        self.out, self.now = [], 0.0

    def calls(self, pause: float, number: int, ok: bool | None, elapsed: float) -> None:
        self.now += pause  # all moments are sums of quarters: exact
        for _ in range(number):
            self.begin(0.0, 1)
            self.end(-1, ok, elapsed)

    def begin(self, pause: float, number: int) -> None:
        self.now += pause
        for _ in range(number):
            (stamp, _), permit = self.circuit.admit(self.now), self.naive.admit(self.now)
            assert (stamp is None) == (permit is None)
            self.out += [] if permit is None else [(stamp, permit)]

    def end(self, which: int, ok: bool | None, elapsed: float) -> None:
        if self.out:
            stamp, permit = self.out.pop(which % len(self.out))
            self.circuit.settle(stamp, ok, self.now, elapsed)
            self.naive.settle(permit, ok, self.now, elapsed)

    def look(self, number: int) -> None:
        """Begin so many attempts when the rest, or the step, is over."""
        self.begin(max(0.0, min(100.0, self.circuit.until - self.now)), number)

    def wake(self) -> None:
        self.circuit.wake(self.now)
        self.naive.wake(self.now)

    def by_hand(self, how: str) -> None:
        getattr(self.circuit, how)()
        self.naive.by_hand(how)


@settings(max_examples=most(5_000, 80))
@given(terms, actions)
def test_in_any_course_of_events_it_is_what_a_naive_one_says(given_terms, course):
    """State, who is let through and until when it rests are the same after every step, whatever came before."""
    pair = Pair(given_terms)
    for action, *details in course:
        act = getattr(pair, action, None)
        if act is None:
            pair.by_hand(action)
        else:
            act(*details)

        assert pair.naive.state == pair.circuit.state
        assert pair.naive.state != "open" or pair.naive.until == pair.circuit.until
