"""A replay says what was recorded where nothing changes, and foretells what arithmetic says where something does."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys

import pytest
from click.testing import CliRunner

import unbreakable as ub
from unbreakable.cli.main import main
from unbreakable.errors import ConfigurationError
from unbreakable.observe.calls import Ended, read_trace
from unbreakable.observe.calls.lines import settings_of
from unbreakable.policies import Plan, Timeout
from unbreakable.policies.effects import may_repeat
from unbreakable.policies.pushback import retry_after
from unbreakable.replay import Changes, what_if
from unbreakable.replay.failures import Covered, Recorded, error_of
from unbreakable.replay.luck import Luck
from unbreakable.replay.play import play
from unbreakable.replay.settings import plan_of
from unbreakable.replay.telling import text_of
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

FEW = {"replays": 2}
ONE = {"retry": False, "breaker": False, "timeout": False, "hedge": False}
ERRORS = [ConnectionError, ub.errors.NotSent, TimeoutError, ValueError]


def recorded(path, calls=120, *, fails=0.1, slow=0.0, seed=1, left=None, name="n", **options):
    """Record calls of which a share fails, and takes ten times as long; *left*: when their callers go."""
    dice = random.Random(seed)

    @ub.protect(name, **options)
    async def work() -> None:
        await ASYNCIO.sleep(dice.uniform(0.01, 0.03) * (10 if dice.random() < slow else 1))
        if dice.random() < fails:
            raise dice.choice(ERRORS)

    async def live():
        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.create_task(asyncio.wait_for(work(), left)))
            await ASYNCIO.sleep(dice.expovariate(50))
        await asyncio.gather(*tasks, return_exceptions=True)

    with virtual_time(seed), ub.record_trace(path, work):
        asyncio.run(live())
    return path


@pytest.fixture(scope="module")
def flaky(tmp_path_factory):
    """Return the trace of calls of which one in ten fails, and none is repeated."""
    return recorded(tmp_path_factory.mktemp("trace") / "calls", effects="none", **ONE)


@pytest.mark.parametrize(
    "options",
    [
        {"effects": "none"},
        {"effects": "none", "hedge": ub.Hedge(0.04), "timeout": ub.Timeout(0.15), "slow": 0.1},
        {"effects": "once", "retry": ub.Retry(3, on=(ub.errors.NotSent, TimeoutError)), "left": 0.08, "slow": 0.1},
        {"breaker": ub.CircuitBreaker(failures=3, rest=0.1), "retry": False, "fails": 0.3},
    ],
)
def test_under_its_own_settings_a_trace_says_what_was_recorded(tmp_path, options):
    """Success, quantiles and requests are those that were, within their intervals."""
    found = what_if(recorded(tmp_path / "calls", 80, **options), Changes(["deadline=31"]), replays=2)
    inside = {
        name: (figure := getattr(found.before, name)).low - 0.001 <= value <= figure.high + 0.001
        for name, value in found.recorded.items()
    }

    assert dict.fromkeys(inside, True) == inside
    assert not any(getattr(found.difference, name).can_be_told for name in inside)


def test_each_attempt_that_was_made_is_made_again(flaky):
    """Without a change, call by call: nothing is drawn."""
    calls = read_trace(flaky).calls
    played = play(calls, Changes([]), Luck(calls, 1), 1)

    assert [call.status == "ok" for call in calls] == played.ok
    assert [call.took for call in calls] == pytest.approx(played.seconds, abs=1e-5)
    assert {"recorded": len(calls)} == played.drawn


def test_more_attempts_do_what_arithmetic_says(flaky):
    """Of failures that have nothing to do with each other, one in ten, three attempts leave one in a thousand."""
    found = what_if(flaky, Changes(["retry.attempts=3", "retry.backoff.first=0.02", "budget=off"]), **FEW)
    rate = 1.0 - found.recorded["success"]

    assert found.after.success.low <= 1.0 - rate**3 <= found.after.success.high
    assert found.difference.success.low <= rate - rate**3 <= found.difference.success.high
    assert found.after.requests.low <= 1.0 + rate + rate**2 <= found.after.requests.high
    assert found.difference.success.can_be_told
    assert "too few attempts after" in found.assumed[0]


def test_fewer_attempts_do_what_was_seen(tmp_path):
    """What the first attempts came to is in the trace: nothing has to be assumed."""
    pinned = {"retry": ub.Retry(3, backoff=ub.Backoff(0.02)), "budget": False, "timeout": False, "hedge": False}
    path = recorded(tmp_path / "calls", effects="none", **pinned)  # what is learned comes when there is time
    first = [call.attempts[0].failure is None for call in read_trace(path).calls]
    found = what_if(path, Changes(["retry=off"]), **FEW)

    assert (1.0, True) == (found.before.success.value, 0.9 < found.before.success.low < 1.0)
    assert sum(first) / len(first) == pytest.approx(found.after.success.value)
    assert (1.0, ()) == (found.after.requests.value, found.assumed)


def test_what_makes_no_difference_is_said_to_make_none(flaky):
    """A hedge that no call is late enough for, a limit that none reaches."""
    found = what_if(flaky, Changes(["hedge.after=5", "timeout=9"]), **FEW)

    assert 5 == text_of(found).count("no difference that can be told")

    assert not any(getattr(found.difference, name).can_be_told for name in ("success", "p50", "p90", "p99", "requests"))
    assert found.difference.success.low < 0.0 < found.difference.success.high


def test_what_must_not_happen_twice_does_not_in_a_replay_either(tmp_path):
    """Not at once, whatever is set; and repeated only after what provably never left."""
    path = recorded(tmp_path / "calls", effects="once", fails=0.5, slow=0.2, **{**ONE, "hedge": None})
    calls = read_trace(path).calls
    played = play(calls, Changes(["retry.attempts=5", "timeout=0.05", "budget=off"]), Luck(calls, 1), 1)
    unsent = [
        number for number, call in enumerate(calls) if call.attempts[0].failure and call.attempts[0].failure.unsent
    ]

    assert 0 == played.overlaps
    assert {number for number, made in enumerate(played.requests) if made > 1} <= set(unsent)
    assert sum(played.requests) > len(calls)
    with pytest.raises(ConfigurationError, match="may run twice at once"):
        what_if(path, Changes(["hedge.after=0.01"]))


def test_processes_and_keys_have_circuits_of_their_own(tmp_path):
    """One that is open refuses nobody else's calls, and is open in the replay when it was."""
    path = tmp_path / "calls"
    with ub.record_trace(path) as recorder:
        for bad in (True, False):
            recorder.after_fork()  # as another process would begin
            recorded_by = []
            node = ub.FractalNode("n", retry=False, breaker=ub.CircuitBreaker(failures=2), key=lambda ctx: ctx.input)
            node.on(ub.events.CallEnded, recorded_by.append)

            def work(ctx, bad=bad):
                if bad and ctx.input == "a":
                    raise ConnectionError

            for number in range(40):
                node.execute_sync(work, "ab"[number % 2])
            recorder.flush()
    calls = [call for call in read_trace(path).calls if call.node == "n"]
    played = play(calls, Changes([]), Luck(calls, 1), 1)

    assert [call.status == "ok" for call in calls] == played.ok
    assert 18 == played.requests.count(0)


def test_a_call_that_had_less_time_has_no_more_in_a_replay(tmp_path):
    """It was made inside another one, whose deadline came first."""
    path, left = tmp_path / "calls", iter([True, False] * 30)

    async def work():
        await ASYNCIO.sleep(0.45)
        if next(left):
            raise ConnectionError

    inner = ub.FractalNode("n", work, retry=ub.Retry(2, backoff=ub.Backoff(1.0, jitter=False)), breaker=False)
    outer = ub.FractalNode("m", inner, deadline=0.5, retry=False, breaker=False)

    async def live():
        for _ in range(60):
            await outer.execute()

    with virtual_time(), ub.record_trace(path, inner):
        asyncio.run(live())
    calls = read_trace(path).calls
    played = play(calls, Changes([]), Luck(calls, 1), 1)

    assert [call.status == "ok" for call in calls] == played.ok
    assert 0.6 > max(played.seconds)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, (True, False, None, Covered)),
        ({"unsent": True}, (True, True, None, Covered)),
        ({"in_doubt": True}, (False, False, None, Covered)),
        ({"retry_after": 2.0}, (True, False, 2.0, Covered)),
        ({"covered": False}, (True, False, None, Recorded)),
    ],
)
def test_a_recorded_failure_says_what_was_known_of_it(facts, expected):
    """What may be repeated after it, how long it wants peace, whether it is repeated for."""
    ended = Ended(
        "throttled",
        1,
        **{**dict.fromkeys(("unsent", "in_doubt", "exhausted"), False), "covered": True, "retry_after": None, **facts},
    )
    failure = ub.FractalNode("n", retry=False).execute_sync(raising(error_of(ended))).error
    told = ub.Failure(failure, ub.errors.Kind(failure.kind))

    assert expected[:2] == tuple(may_repeat(effects, told) for effects in ("unknown", "once"))
    assert (expected[2], True) == (retry_after(failure), isinstance(failure, expected[3]))
    assert expected[3] is Covered or not isinstance(failure, Covered)


def raising(error):
    """Return a function that raises *error*."""

    def work():
        raise error

    return work


def test_what_was_repeated_inside_is_not_repeated_in_a_replay():
    """A recorded failure that was exhausted is."""
    ended, told = Ended("unreachable", 1, False, False, True, True, None), []
    node = ub.FractalNode("n", retry=ub.Retry(3, backoff=ub.Backoff(0.0)))
    node.on(ub.events.RetryDenied, told.append)

    def work():
        raise error_of(ended)

    assert 1 == node.execute_sync(work).attempts
    assert "inside has repeated it" in told[0].reason


def test_plain_code_has_no_learned_limits():
    """Nobody cuts it for a guess, or sends a copy beside it; what is pinned holds."""
    learned = Plan(timeout=Timeout(2.0, learned=True), hedge=ub.Hedge(0.1, threads=False))
    told = {"preemptive": False, **settings_of(learned)}
    pinned = {"preemptive": False, **settings_of(Plan(timeout=Timeout(2.0), hedge=ub.Hedge(0.1)))}

    assert (None, None) == ((plan := plan_of(told)).timeout, plan.hedge)
    assert learned == plan_of({**told, "preemptive": True})
    assert (Timeout(2.0), ub.Hedge(0.1)) == ((plan := plan_of(pinned)).timeout, plan.hedge)


def test_a_strategy_is_followed_from_what_it_learns(flaky):
    """It sets what was not pinned; what the trace says was pinned stays, unless it is set."""
    found = what_if(flaky, Changes(["strategy=aggressive", "retry.attempts=4"]), most_calls=80, replays=2)

    assert found.difference.success.value > 0.0


def test_the_command_tells_both_sides(flaky):
    """As a table, and as JSON."""
    words = ["whatif", str(flaky), "--set", "retry.attempts=3", "--set", "timeout=9", "--calls=70", "--replays=2"]
    told, asked = (CliRunner().invoke(main, [*words, *more]) for more in ([], ["--json"]))
    found, lines = json.loads(asked.stdout), told.stdout.splitlines()

    assert (0, 0) == (told.exit_code, asked.exit_code)
    assert lines[0].startswith("n: 70 calls within ")
    assert "changed: retry.attempts=3, timeout=9; 2 replays of each side" == lines[1]
    assert ["recorded", "as it was", "changed", "difference"] == re.split("  +", lines[3].strip())
    assert ["success", "p50", "p90", "p99", "requests"] == [line.split()[0] for line in lines[4:9]]
    assert ["retry.attempts=3", "timeout=9"] == found["changes"]
    assert (70, 50, 0) == (found["calls"], found["left_out"], found["overlaps"])
    assert found["difference"]["success"]["value"] > 0.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "retry.attemps=3"], "did you mean 'retry.attempts'"),
        ([], "give --set NAME=VALUE"),
        (["--set", "retry.attempts=3", "--node", "m"], "there are those of n"),
        (["--set", "hedge.after=-1"], "Hedge.after must be"),
    ],
)
def test_the_command_says_what_cannot_be_done(flaky, words, said):
    """With exit code 2, in JSON where it was asked for."""
    ended = CliRunner().invoke(main, ["whatif", str(flaky), *words, "--json"])

    assert 2 == ended.exit_code
    assert said in json.loads(ended.stdout)["error"]


def test_a_seed_is_none_that_dice_do_not_take(flaky):
    """It is refused as any other option's value, and nothing is played first."""
    ended = CliRunner().invoke(main, ["whatif", str(flaky), "--set", "retry=2", "--seed=-1"])

    assert (2, True) == (ended.exit_code, "Invalid value for '--seed'" in ended.stderr)


def test_the_command_says_that_numpy_is_not_to_be_had(flaky, monkeypatch):
    """As who asks for a decision is told."""
    for name in [name for name in sys.modules if name.startswith("unbreakable.replay")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    ended = CliRunner().invoke(main, ["whatif", str(flaky), "--set", "retry=2"])

    assert (2, True) == (ended.exit_code, "with numpy, which cannot be imported here" in ended.stderr)


def test_a_trace_of_nothing_is_refused(tmp_path):
    """No file, a poem, no calls, too few, or none that was made."""
    poem, few = tmp_path / "poem", recorded(tmp_path / "few", 10)
    poem.write_text("a poem\n")
    with ub.record_trace(tmp_path / "none", ub.FractalNode("n")):
        pass
    for path, said in [
        (tmp_path / "nowhere", "no such file"),
        (poem, "no trace"),
        (tmp_path / "none", "no calls"),
        (few, "fewer than"),
    ]:
        ended = CliRunner().invoke(main, ["whatif", str(path), "--set", "budget=off"])

        assert (2, True) == (ended.exit_code, said in ended.stderr)
