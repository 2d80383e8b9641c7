"""A limit is found by trying less: each trap into which limits fall, against a model of a target."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from tests.dense import most

from unbreakable.policies.limiter import Limiter, Trial, Why
from unbreakable.policies.meter import Reading

SERVICE = 0.1  # seconds that a call takes at a target without a queue
SEEDS = range(most(10, 3))


class Model:
    """Play windows of a target with workers: the latency rises in step with the calls beyond them.

    As many calls as the limit allows, and no more than are wanted, are in flight all the time.
    """

    def __init__(self, seed: int = 1, *, first: int = 20, least: int = 1, most: int = 1000) -> None:
        self.dice, self.now = random.Random(seed), 0.0
        self.limiter = Limiter(first, least, most, self.now)
        self.limits: list[int] = []
        self.told: list[str] = []
        self.workers, self.slow, self.wanted, self.noise = 40.0, 1.0, 1_000.0, 0.3
        self.refused = 0.0  # share that the target refuses
        self.cut_at = math.inf  # seconds after which a call is cut
        self.service: Callable[[], float] = lambda: SERVICE

    @property
    def limit(self) -> int:
        return self.limiter.whole

    @property
    def goodput(self) -> float:
        """Return which share of what the workers can do is done."""
        return min(self.limit, self.wanted, self.workers) / min(self.workers, self.wanted)

    def play(self, windows: int) -> list[int]:
        """Return the limits of so many windows of a second each."""
        begun = len(self.limits)
        for _ in range(windows):
            self._second()
            self.limits.append(self.limit)
        return self.limits[begun:]

    def _second(self) -> None:
        in_flight = min(self.limit, self.wanted)
        queue = max(1.0, in_flight / self.workers)
        took, batch = self.slow * queue * SERVICE, []
        calls = max(1, round(min(in_flight / took, 64)))
        scale = in_flight / took / calls  # of very many calls only some are played, each for several
        for number in range(calls):
            if number % 16 == 0:
                self._take(batch, (number + 1) / calls, scale)
                batch = []
            batch.append(self.slow * queue * self.service() * math.exp(self.dice.gauss(0.0, self.noise)))
        self._take(batch, 1.0, scale)
        self.now += 1.0

    def _take(self, batch: list[float], part: float, scale: float) -> None:
        now, meter = self.now + part, self.limiter.meter
        meter.full = meter.full or self.wanted > self.limit
        if not self.refused and self.cut_at == math.inf:
            meter.take(batch, now)
            meter.seconds += sum(batch) * (scale - 1.0) * (now >= meter.at)
        for seconds in batch if self.refused or self.cut_at < math.inf else ():
            if self.dice.random() < self.refused:
                meter.refuse(now)
            elif seconds > self.cut_at:
                meter.cut(self.cut_at, now)
            else:
                meter.take([seconds], now)
                meter.seconds += seconds * (scale - 1.0) * (now >= meter.at)
        if (change := self.limiter.look(now)) is not None:
            self.told.append(change.why)


def settled(seed: int = 1, **made: int) -> Model:
    """Return a model whose limit has been found."""
    model = Model(seed, **made)
    model.play(70)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_half_the_capacity_is_found_within_ten_windows_and_so_is_the_whole(seed):
    """Ten windows after each change nine tenths of what the target can do are done, and not much slower."""
    model = settled(seed)
    for workers in (20.0, 40.0):
        model.workers = workers
        model.play(10)
        done = []
        for _ in range(50):
            model.play(1)
            done.append(model.goodput)

        assert sum(done) / len(done) >= 0.9
        assert sum(model.limits[-40:]) / 40 <= 1.7 * workers


@pytest.mark.parametrize("seed", SEEDS[: most(10, 2)])
@pytest.mark.parametrize("times", [2.0, 30.0])
def test_half_an_hour_of_high_latency_neither_raises_the_limit_nor_ruins_it(seed, times):
    """What has nothing to do with the calls in flight is no reason to let more of them in, or hardly any."""
    model = settled(seed)
    before = max(model.limits[-20:])
    model.slow, model.workers = times, 10_000.0
    limits = model.play(1_800)

    assert max(limits) <= before
    assert sum(limits[-200:]) / 200 >= before / 2


@pytest.mark.parametrize("times", [1.5, 8.0])
def test_a_limit_found_below_the_first_one_does_not_return_to_it_while_the_target_is_slow(times):
    """Where it began is no limit that the target has ever borne well."""
    model = Model()
    model.workers = 4.0
    model.play(100)
    before = max(model.limits[-30:])
    model.slow, model.workers = times, 10_000.0

    assert max(model.play(900)) <= before + 1 <= 8


def test_an_accident_that_looked_like_a_queue_is_soon_made_up_for():
    """What was cut and got well by itself is back where it was in large steps."""
    model = settled()
    before = model.limit
    model.slow = 4.0
    while model.limit == before:
        model.play(1)
    model.slow = 1.0
    model.play(5)

    assert model.limit >= 0.8 * before


def test_a_limit_that_is_not_reached_does_not_grow():
    """Ten minutes of good answers to a few calls say nothing of many."""
    model = Model()
    model.wanted = 15.0

    assert {20} == set(model.play(600))


def test_a_limit_that_is_hardly_used_does_not_grow():
    """Who finds no place for a moment, while few are in flight on the whole, is no reason."""
    model = Model()
    model.wanted = 5.0
    for _ in range(100):
        model.limiter.meter.full = True
        model.play(1)

    assert {20} == set(model.limits)


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_does_not_wear_the_limit_down(seed):
    """Latencies of which some are fifty times others leave the target at work."""
    model = Model(seed)
    model.noise = 1.2
    model.play(60)
    done = []
    for _ in range(300):
        model.play(1)
        done.append(model.goodput)

    assert sum(done) / len(done) >= 0.9


def test_a_latency_that_rises_while_few_are_in_flight_is_not_the_limits_affair():
    """To lower a limit that is not used would change nothing but what is let in later."""
    model = Model()
    model.wanted = 5.0
    model.play(10)
    model.slow = 10.0

    assert {20} == set(model.play(60))


def test_refusals_that_lessen_are_followed_further_down():
    """When a cut has helped, and a tenth is refused still, there is another."""
    model = settled()
    for _ in range(30):
        model.refused = max(0.0, 1.0 - 3.0 / model.limit)
        model.play(1)

    assert min(model.limits[-20:]) <= 5


def test_one_bad_second_is_no_trouble():
    """A pause of the target, or of the machine, cuts nothing; a second one in a row does."""
    model = settled()
    before = model.limit
    model.slow = 3.0
    after_one = model.play(1)[0]
    model.slow = 1.0
    model.play(3)
    after_rest = model.limit
    model.slow = 3.0
    model.play(3)

    assert after_one >= before
    assert after_rest >= before
    assert Why.TROUBLE in model.told[-2:]


@pytest.mark.parametrize("workers", [2.0, 4.0, 8.0])
def test_a_queue_that_was_there_from_the_beginning_is_found(workers):
    """A first limit far too high has a latency that looks usual, until less is tried."""
    model = Model()
    model.workers = workers
    model.play(60)

    assert sum(model.limits[-30:]) / 30 <= 1.6 * workers + 1


def test_a_queue_that_grows_slowly_does_not_become_usual():
    """In an hour with a little too much in flight, the latency that counts stays that without a queue."""
    model = settled()
    limits = model.play(3_600)

    assert max(limits) <= 1.6 * model.workers
    assert math.exp(model.limiter.base) == pytest.approx(SERVICE, rel=0.15)


def test_the_lowest_latency_ever_seen_does_not_become_usual():
    """With the luckiest of thousands of windows for its measure a target would always seem slow."""
    model = settled()
    model.noise = 0.8
    model.play(3_600)

    assert math.exp(model.limiter.base) == pytest.approx(SERVICE, rel=0.3)


@pytest.mark.parametrize(("luck", "base"), [(0.06, 0.0), (0.5, -0.5)])
def test_a_little_luck_in_a_trial_is_not_the_latency_without_a_queue(luck, base):
    """What lies within the noise of what is known changes nothing; what lies far below was never known."""
    limiter = Limiter(10, 1, 1000, 0.0)
    limiter.base = limiter.usual = 0.0
    before = Reading(level=0.7, error=0.05, in_flight=20.0, refused=0.0, full=True)
    limiter._judge(
        Trial(20.0, before, Why.TROUBLE), Reading(level=-luck, error=0.05, in_flight=10.0, refused=0.0, full=True), 1.0
    )

    assert base == pytest.approx(limiter.base)


def test_a_target_that_became_quicker_is_known_at_once():
    """A level far below what was known is the new one; then twice of that is trouble."""
    model = settled()
    model.slow = 0.25
    model.play(2)

    assert math.exp(model.limiter.base) < SERVICE / 2


def test_quick_and_slow_calls_mixed_differently_ruin_nothing():
    """When the slow operation is called more often, the latency rises, and a cut shows that it was not the limit."""
    model = settled()
    before = model.limit
    model.service = lambda: 0.05 if model.dice.random() < 0.2 else 0.6
    limits = model.play(300)

    assert max(limits) <= before
    assert sum(limits[-100:]) / 100 >= 0.8 * model.workers


def test_attempts_that_all_end_at_the_same_limit_of_time_do_not_raise_it():
    """When nothing is answered in time, all latencies are alike, and that is not health."""
    model = settled()
    before = max(model.limits[-20:])
    model.slow, model.cut_at = 100.0, 5.0
    model.workers = 10_000.0
    limits = model.play(600)

    assert max(limits) <= before


def test_a_target_that_refuses_what_is_too_much_is_given_less():
    """Refusals that end with fewer in flight lower the limit, and it does not come to 1."""
    model = settled()
    for _ in range(60):
        model.refused = max(0.0, 1.0 - 15.0 / model.limit)
        model.play(1)

    assert 5 <= sum(model.limits[-20:]) / 20 <= 20


def test_a_target_that_refuses_whatever_is_in_flight_keeps_its_limit():
    """A quota that is spent is no matter of how many calls at once."""
    model = settled()
    before = model.limit
    model.refused = 0.4
    limits = model.play(200)

    assert max(limits) <= before
    assert limits[-1] >= before / 2
    assert Why.FOREIGN in model.told


def test_a_dead_target_is_tried_with_one_call_at_a_time_and_then_as_before():
    """Nothing comes back: it is cut as far as it goes, which does not help, so the limit is what it was."""
    model = settled()
    before = model.limit
    model.refused = 1.0
    limits = model.play(60)

    assert 1 == min(limits)
    assert 0.9 * before <= limits[-1] <= before


def test_it_keeps_between_least_and_most():
    """What was pinned holds whatever is found."""
    model = Model(first=1, least=8, most=12)
    quick = model.play(30)
    model.workers = 2.0
    slow = model.play(60)

    assert (8, 12) == (quick[0], max(quick))
    assert 8 == min(slow)


def test_a_window_that_does_not_fill_begins_anew():
    """A few calls an hour apart are no window, however many of them there are in the end."""
    limiter = Limiter(20, 1, 1000, 0.0)
    counts = set()
    for hour in range(1, 80):
        limiter.meter.take([0.1], 3_600.0 * hour)
        counts.add(limiter.meter.count)
        assert limiter.look(3_600.0 * hour) is None

    assert {1} == counts


def test_a_trial_that_nobody_sees_the_end_of_is_called_off():
    """When the traffic ends with a cut limit, the next calls have what was before."""
    model = settled()
    before = model.limit
    model.slow = 4.0
    while model.limiter.trial is None:
        model.play(1)
    cut, model.now = model.limit, model.now + 3_600.0
    model.limiter.meter.take([0.1], model.now)
    change = model.limiter.look(model.now)

    assert cut < before
    assert (cut, before, Why.UNTOLD) == change
    assert model.limiter.trial is None


def test_slow_calls_are_given_time_to_fill_a_window():
    """Answers that take half a minute, some forty of them a minute, find their limit, too."""
    limiter, changes = Limiter(20, 1, 1000, 0.0), []
    for number in range(1, 3_000):
        limiter.meter.full = True
        limiter.meter.take([30.0], 1.5 * number)
        if limiter.look(1.5 * number) is not None:
            changes.append(limiter.whole)

    assert 12 in changes  # it was tried
