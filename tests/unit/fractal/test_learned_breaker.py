"""What is known of a target says how many failures in a row open its circuit, and for how long."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.fractal import learning, turning_away
from unbreakable.fractal.learned_breaker import MOST_FAILURES, failures_in_a_row, learned_breaker
from unbreakable.fractal.tuner import Tuner
from unbreakable.policies import CircuitBreaker, Plan
from unbreakable.runtime import ASYNCIO
from unbreakable.stats import Traffic
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
DOWN = ConnectionError("down")


class LookupFailed(Exception):
    http_status = 404


def seen(seconds=0.03, repeats=0, failed=0, count=100):
    """Return the traffic of a target that answers in so many seconds."""
    traffic = Traffic()
    traffic.update(ok=[seconds] * count, repeats=repeats, repeats_failed=failed)
    return traffic


# ── how many ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.65, 0.8, 0.87])
def test_a_bad_spell_opens_it_hardly_ever_by_accident(share):
    """Where so large a share of repeats fails, as many in a row are one in a thousand."""
    enough = failures_in_a_row(10_000, round(10_000 * share))

    assert share**enough <= 1e-3
    assert 5 <= enough <= MOST_FAILURES


def test_the_more_repeats_fail_the_longer_it_goes_on():
    """And never for more than a bounded number of attempts, whatever was seen."""
    found = [failures_in_a_row(1_000, failed) for failed in range(0, 1_001, 10)]

    assert sorted(found) == found
    assert (5, MOST_FAILURES) == (found[0], found[-1])


def test_a_few_lucky_repeats_are_no_proof_that_failures_come_alone():
    """Five may have been accidents of good times: a burst was not seen yet."""
    assert failures_in_a_row(5, 0) > 12


# ── how long ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "rest"), [(0.001, 0.1), (0.2, 0.4), (5.0, 10.0), (60.0, 30.0)])
def test_the_first_rest_is_as_long_as_its_target_answers_slowly(seconds, rest):
    """Twice the 99th percentile, and up to thirty seconds when looks are in vain."""
    breaker = learned_breaker(seen(seconds))

    assert rest == pytest.approx(breaker.rest, rel=0.03)
    assert 30.0 == breaker.most_rest


def test_whoever_repeats_nothing_waits_for_nothing():
    """A call that is not to be made again is not made later either."""
    assert (0.7, 0.0) == tuple(breaker_of(None, retry=retry)[0].wait for retry in (None, False))


# ── in force ────────────────────────────────────────────────────────────────────────────────────────────────────────


def breaker_of(breaker, **options):
    """Return the breaker in force once enough was seen, and the circuit, where that one was given."""
    node = ub.FractalNode("n", breaker=breaker, **options)
    plan = Tuner(node.settings).plan("n", node.target.plan, seen(), random.Random(7).random)
    node.target.adopt(plan)
    return plan.breaker, node.target.circuit


@pytest.mark.parametrize("pinned", [ub.CircuitBreaker(), ub.CircuitBreaker(7, rest=2.0)])
def test_what_is_pinned_stays_pinned(pinned):
    """The same words as the cold ones are pinned, too, if somebody wrote them."""
    breaker, circuit = breaker_of(pinned)

    assert (pinned, pinned) == (breaker, circuit.settings)


def test_what_is_switched_off_stays_off():
    """Nothing is learned for it."""
    breaker, circuit = breaker_of(False)

    assert breaker is None
    assert "disabled" == circuit.state.value


def test_a_first_guess_holds_until_something_is_learned():
    """As with time limits."""
    breaker, circuit = breaker_of(ub.CircuitBreaker(9, learned=True))

    assert breaker.failures != 9
    assert circuit.settings == breaker


def story(fails, count, every, **options):
    """Return the node, the moments of attempts and the outcomes of calls; *fails* is asked when an attempt ends.

    *every* is how many seconds are between two calls, or says so of the moment.
    """

    async def main():
        loop = asyncio.get_running_loop()
        zero, made = loop.time(), []

        @ub.protect("partner", effects="none", **options)
        async def ask():
            made.append(loop.time() - zero)
            nth = len(made)
            await sleep(0.02)
            if fails(loop.time() - zero, nth):
                raise DOWN
            return "fine"

        tasks = []
        for _ in range(count):
            tasks.append(asyncio.ensure_future(ask.outcome()))
            await sleep(every(loop.time() - zero) if callable(every) else every)
        return ask.node, made, await asyncio.gather(*tasks)

    with virtual_time(7):
        return asyncio.run(main())


def test_cold_it_is_five_in_a_row_and_thirty_seconds():
    """Nothing is learned of a target that was seen too little of, whatever it did."""
    node, _, _ = story(lambda now, _: now > 3.5, 39, 0.1)

    assert node.breaker.settings == CircuitBreaker()
    assert "open" == node.breaker.state.value
    assert 30.0 == node.breaker.rested


@pytest.mark.parametrize("chooser", ["simulating", "tuner"])
def test_once_forty_calls_were_seen_it_is_a_learned_one(chooser, monkeypatch):
    """Also until numpy is there; the status tells."""
    if chooser == "tuner":
        monkeypatch.setattr("unbreakable.simulation.numbers.at_hand", lambda: False)
    node, _, _ = story(lambda now, _: False, 60, 0.05)
    plan = node.get_status().plan

    assert node.breaker.settings.learned
    assert (26, 0.1) == (plan["breaker"], plan["rest"])


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "script"])
@pytest.mark.parametrize(("no", "retry"), [(LookupFailed, None), (LookupError, ub.Retry(on=OSError))])
def test_a_repeat_that_is_answered_by_a_no_is_none_that_failed(quick, no, retry):
    """Where a reset lookup finds nothing when it is repeated, a row of failures is an outage as soon as anywhere."""
    ends = []

    @ub.protect("lookup", effects="none", budget=False, hedge=False, retry=retry)
    async def look():
        await sleep(0.05)
        if ends and (error := ends.pop()) is not None:
            raise error

    async def story():
        for number in range(300):
            if number % 3 == 0:
                ends[:] = [no(), DOWN]
            await (asyncio.gather(look(), return_exceptions=True) if quick else look.outcome())

    with virtual_time(7):
        asyncio.run(story())
    plan = look.node.get_status().plan

    assert plan["breaker"] <= 26
    assert plan["attempts"] >= 3


def test_a_burst_does_not_stop_the_calls():
    """Half a second in which four of five attempts fail is outlived by repeats; the cold breaker refused 600 calls."""
    dice = random.Random(3)
    _, _, outcomes = story(lambda now, _: 5 < now < 5.5 and dice.random() < 0.8, 200, 0.05)

    assert sum(not outcome.ok for outcome in outcomes) <= 5


@pytest.mark.parametrize("every", [0.002, 0.05, 1.0, 5.0])
def test_a_target_that_is_down_is_left_alone_soon_all_the_same(every):
    """After a bounded number of attempts, or, where few calls come, five within some seconds."""
    down_at = 60 * every
    node, made, _ = story(lambda now, _: now >= down_at, 140, every, retry=ub.Retry(3))
    asked = [moment for moment in made if moment > down_at]

    assert node.breaker.settings.learned
    assert "open" == node.breaker.state.value
    assert len(asked) <= MOST_FAILURES + 20


def test_rests_grow_to_thirty_seconds_while_it_is_down():
    """Where few ask it is asked nine times in the first minute, and then twice a minute."""
    node, made, _ = story(lambda now, _: now >= 60.0, 250, 1.0, retry=False)
    late = [moment for moment in made if moment >= 130.0]

    assert 30.0 == node.breaker.rested
    assert len(late) <= 5


@pytest.mark.parametrize("every", [0.01, 0.1])
def test_one_of_fifty_that_are_turned_away_looks_whether_it_is_back(every):
    """And one a second at most; so who is busy goes on soon after a long outage, and who is not waits for a rest."""
    node, made, outcomes = story(lambda now, _: 5.0 <= now < 45.0, round(52.0 / every), every, retry=False)
    looks = [moment for moment in made if 20.0 <= moment < 45.0]
    lost = [number for number in range(round(45.0 / every), len(outcomes)) if not outcomes[number].ok]

    assert "closed" == node.breaker.state.value
    assert 0.8 <= len(looks) / (25.0 * min(1.0, 0.02 / every)) <= 1.0
    assert len(lost) * every <= 1.1 * max(1.0, 50 * every)


@pytest.mark.parametrize("seconds", [5.0, 8.0, 15.0, 25.0])
def test_a_look_in_vain_makes_no_rest_longer(seconds):
    """Where few call after many, they wait no longer than the outage has lasted: sixty looks a minute are one spell."""
    end = 5.0 + seconds
    calls = 540 + round(100 * seconds)
    node, made, _ = story(lambda now, _: 5.0 <= now < end, calls, lambda now: 0.01 if now < end else 1.0, retry=False)
    back = next(moment for moment in made if moment >= end)

    assert "closed" == node.breaker.state.value
    assert node.breaker.rested <= seconds
    assert back - end <= seconds
    assert 0.7 * (seconds - 2.0) <= len([moment for moment in made if 7.0 <= moment < end])


@pytest.mark.parametrize("breaker", [ub.CircuitBreaker(), ub.CircuitBreaker(3, rest=20.0)])
def test_a_rest_that_was_asked_for_is_as_long_as_it_says(breaker):
    """However many are turned away: whoever wrote it meant it."""
    _, made, _ = story(lambda now, _: now >= 2.0, 600, 0.05, breaker=breaker, retry=False)

    assert [] == [moment for moment in made if 2.0 + 0.05 * breaker.failures < moment < 1.9 + breaker.rest]


def test_it_is_back_soon_after_a_short_outage():
    """Two seconds of it cost less than two more, not thirty."""
    _, _, outcomes = story(lambda now, _: 2.0 <= now < 4.0, 400, 0.02)
    bad = [number * 0.02 for number, outcome in enumerate(outcomes) if not outcome.ok]

    assert 1.9 < min(bad)  # the call before is under way when it begins
    assert max(bad) < 6.0


def test_a_call_with_time_left_waits_out_a_short_rest():
    """It is not refused while others find out that the target is back, and costs no attempt meanwhile."""
    guess = ub.CircuitBreaker(2, rest=0.2, most_rest=30.0, wait=0.7, learned=True)
    _, made, outcomes = story(lambda now, nth: nth <= 2, 3, 0.05, breaker=guess, retry=ub.Retry(3))

    assert [True] * 3 == [outcome.ok for outcome in outcomes]
    assert len(made) == 5


def test_nobody_waits_for_a_rest_that_is_longer():
    """Who would be refused in the end is refused at once."""
    guess = ub.CircuitBreaker(2, rest=5.0, most_rest=30.0, wait=0.7, learned=True)
    _, _, outcomes = story(lambda now, _: True, 8, 0.2, breaker=guess, retry=False)

    assert [0.0] * 6 == [outcome.elapsed for outcome in outcomes[2:]]


def test_no_herd_waits_for_it(monkeypatch):
    """Sixteen stand in line; a hundred that come together are too many for a target that is only just back."""
    monkeypatch.setattr(turning_away, "LOOK_EACH", 101)
    guess = ub.CircuitBreaker(1, rest=0.3, most_rest=30.0, wait=0.7, learned=True)
    node, _, outcomes = story(lambda now, nth: nth == 1, 101, 0.001, breaker=guess, retry=False)

    assert 16 == sum(outcome.ok and outcome.elapsed > 0.1 for outcome in outcomes)
    assert node.target.handed_out - len(node.target.tickets) >= 60  # by arithmetic, for whom there is no room


def test_a_probe_that_hangs_is_one_and_not_ten_a_second():
    """The permit is not given out anew after the short rest."""

    async def main():
        guess = ub.CircuitBreaker(1, rest=0.1, most_rest=30.0, learned=True)
        made = []

        @ub.protect("partner", breaker=guess, retry=False)
        async def ask():
            made.append(0)
            if len(made) > 1:
                await sleep(1_000)
            raise DOWN

        tasks = []
        for _ in range(200):
            tasks.append(asyncio.ensure_future(ask.outcome()))
            await sleep(0.1)
        for task in tasks:
            task.cancel()
        return len(made)

    with virtual_time():
        assert 2 == asyncio.run(main())


# ── taken over ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sorts_of_one_target_share_what_rests_on_the_most():
    """They share a circuit, so one of them has the say, whoever learned last."""
    node = ub.FractalNode("n")
    target, twin = node.target, node.target.doing("none", node._new_target)
    much, little = (
        Plan(breaker=CircuitBreaker(failures, learned=True), observations=observations)
        for failures, observations in ((30, 500), (7, 50))
    )
    target.adopt(much)
    twin.adopt(little)

    assert target.circuit is twin.circuit
    assert 30 == target.circuit.settings.failures


def test_who_has_no_breaker_has_no_say_in_what_they_share():
    """A strategy that does without one is not asked, however much was seen of it."""
    node = ub.FractalNode("n")
    target, twin = node.target, node.target.doing("none", node._new_target)
    twin.adopt(Plan(breaker=CircuitBreaker(30, learned=True), observations=50))
    target.adopt(Plan(breaker=None, observations=500))

    assert 30 == target.circuit.settings.failures


def test_a_long_rest_turns_calls_away_as_cheaply_as_a_cold_one():
    """By arithmetic: nobody waits for it anyway."""
    guess = ub.CircuitBreaker(1, rest=5.0, most_rest=30.0, wait=0.7, learned=True)
    node, _, _ = story(lambda now, _: True, 8, 0.2, breaker=guess, retry=False)

    assert node.target.turns_away
    assert 7 == 1 + node.target.handed_out - len(node.target.tickets)


def test_what_is_no_longer_known_is_no_longer_in_force():
    """A target that became another one is cold again, and so is its circuit."""
    node = ub.FractalNode("n")
    node.target.adopt(Plan(breaker=CircuitBreaker(30, learned=True), observations=500))
    node.target.adopt(node.target.cold)

    assert CircuitBreaker() == node.breaker.settings


def test_the_next_process_begins_with_what_was_learned():
    """The plan's record holds it, and what is pinned there goes before it."""
    plan = Plan(breaker=CircuitBreaker(31, rest=0.2, most_rest=30.0, wait=0.7, learned=True), observations=77)
    found = [
        learning.remembered(ub.FractalNode("n", **options).settings, Plan(**options), plan.to_record()).breaker
        for options in ({}, {"breaker": CircuitBreaker(3)})
    ]

    assert [plan.breaker, CircuitBreaker(3)] == found
