"""The truth that the simulation engine is measured by is itself true."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks.truth.atlas import world_of
from benchmarks.truth.batch import Batch
from benchmarks.truth.figures import Figures, score, worst
from benchmarks.truth.luck import Luck
from benchmarks.truth.oracle import grid, ranked
from benchmarks.truth.ours import ours
from benchmarks.truth.peers import answers, peers
from benchmarks.truth.play import Player, Run
from benchmarks.truth.rule import Bucket, Decorrelated, Doubling, Rule, Tokens
from benchmarks.truth.worlds import WORLDS, Endpoint, Servers, World

TRUTH = Path(__file__).parents[3] / "benchmarks" / "truth"
ALONE = Rule("one attempt")


def imported(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = [
        [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        for node in tree
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    return {name.partition(".")[0] for names in found for name in names}


def figured(success: float = 1.0, took: float = 1.0, load: float = 1.0) -> Figures:
    return Figures(success, (took,) * 4, (took,) * 4, load, load, load, math.nan)


def test_the_truth_is_independent_of_what_it_judges():
    """Two files know the library: they play it."""
    assert {"held.py", "ours.py"} == {path.name for path in TRUTH.glob("*.py") if "unbreakable" in imported(path)}


def test_a_copy_wins_if_it_ends_before_the_first():
    """Without failures a hedged call takes the least of its first request and the delay plus its second."""
    luck = Luck(WORLDS["W1"], 2_000, 7)
    run = Player(luck, Rule("hedge", copies=(0.01,))).run()
    first, second = luck.draws(0, 0).takes, luck.draws(0, 1).takes

    assert np.allclose(run.took, np.minimum(first, 0.01 + second))
    assert (run.made == 1 + (first > 0.01)).all()


def test_a_failed_attempt_is_repeated_with_luck_of_its_own():
    """A call takes its faults, its pauses and its answer, and fails when all attempts have."""
    luck = Luck(WORLDS["W4"], 5_000, 7)
    run = Player(luck, Rule("two", 2, Doubling(0.1))).run()
    one, two = luck.draws(0, 0), luck.draws(0, 1)
    failed, again = one.fault < 0.05, two.fault < 0.05
    took = np.where(failed, one.notices + 0.1 + np.where(again, two.notices, two.takes), one.takes)

    assert (run.fine == ~(failed & again)).all()
    assert np.allclose(run.took, took)


@pytest.mark.parametrize("name", ["W5", "W6"])
def test_bad_times_are_as_frequent_and_as_bad_as_described(name):
    """The share of failed calls is that of the renewal process."""
    world, runs = WORLDS[name], [Batch(Luck(WORLDS[name], 40_000, seed), ALONE).run() for seed in (1, 2)]
    what = world.endpoints[0]
    share = what.bad / (what.good + what.bad)
    expected = share * what.fails_bad + (1.0 - share) * what.fails

    assert expected == pytest.approx(np.mean([1.0 - run.fine.mean() for run in runs]), rel=0.25)


def test_what_comes_to_all_endpoints_comes_at_once():
    """Endpoints that have bad times together have the same ones, others do not."""
    bad = Endpoint(WORLDS["W4"].endpoints[0].law, 0.0, 1.0, good=5.0, bad=1.0)
    world = World("pair", "", (bad, bad), 50.0, 1.0)
    apart, together = (Luck(world._replace(together=each), 1_000, 1).regimes for each in (False, True))

    assert apart[0] != apart[1]
    assert together[0] == together[1]


def test_servers_that_nobody_waits_for_work_all_the_same():
    """A queue gives a mean wait by Erlang's formula, and what was given up is served before what comes later."""
    world = WORLDS["W9"]._replace(servers=Servers(20, 1e9, 1e9, 1.0), patience=math.inf, least=0)
    luck = Luck(world, 20_000, 1)
    waits = Player(luck, ALONE).run().took - luck.draws(0, 0).takes
    offered, servers = 14.0, 20
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waiting = blocked / (1.0 - offered / servers * (1.0 - blocked))

    assert waiting == pytest.approx((waits > 1e-9).mean(), abs=0.02)
    line = world._replace(servers=Servers(1, 0.0, 1e9, 100.0), patience=0.05)
    assert not Player(Luck(line, 300, 1), ALONE).run().fine[50:].any()


def test_the_frontier_of_the_research_is_met():
    """A copy of 5 % of W1's requests leaves a 99th percentile of 23.9 ms (computed on two million draws there)."""
    world = WORLDS["W1"]
    late = float(np.quantile(answers(world, 0), 0.95))
    run = Batch(Luck(world, 30_000, 3), Rule("hedge", copies=(late,))).run()

    assert float(np.quantile(run.took, 0.99)) == pytest.approx(0.0239, rel=0.04)
    assert run.made.mean() == pytest.approx(1.05, abs=0.004)


def test_the_worst_second_is_a_whole_one():
    """Requests of a second are counted beside its calls; what comes after the last whole second is not."""
    comes = np.concatenate([np.linspace(0.0, 3.0, 300, endpoint=False), np.linspace(3.0, 3.1, 10)])
    begun = np.concatenate([comes, np.full(50, 1.5), np.full(500, 3.09)])
    run = Run(comes, comes, comes > 0, comes, begun)

    assert worst(run, 100.0) == pytest.approx(1.5)


def test_the_score_has_the_exchange_rates_that_are_printed():
    """Ten times fewer failures are worth 12.5 points, all twice as fast 4.5, 5 % of load -0.8, 25 % -20."""
    base = figured(0.99)

    def gain(mine: Figures) -> float:
        return score(mine, base, 10**9).total - score(base, base, 10**9).total

    assert pytest.approx([12.5, 4.515, -0.8, -20.0], abs=1e-3) == [
        gain(figured(0.999)),
        gain(figured(0.99, took=0.5)),
        gain(figured(0.99, load=1.05)),
        gain(figured(0.99, load=1.25)),
    ]


def test_peers_pause_as_they_say():
    """Pauses double, up to the most, with the jitter of each."""
    half = lambda nth: 0.5
    polly = Decorrelated(2.0, 30.0)

    assert [0.1, 0.2, 0.3] == pytest.approx([Doubling(0.1, 0.3)(nth, half) for nth in (1, 2, 3)])
    assert Doubling(0.1, 5.0, more=1.0)(1, half) == pytest.approx(0.6)
    assert Doubling(0.1, spread=0.2)(2, lambda nth: 0.0) == pytest.approx(0.16)
    assert polly(1, half) == pytest.approx(2**0.5 * math.tanh(math.sqrt(2.0)) / 1.4 * 2.0)
    assert polly(2, half) > polly(1, half)


def test_the_throttle_of_grpc_stops_retries_below_half():
    """Failures take tokens, successes give a share of one back."""
    bucket = Bucket(Tokens(4.0, 0.5))
    bucket.take(fine=False)
    assert bucket.allows()
    bucket.take(fine=False)
    assert not bucket.allows()
    bucket.take(fine=True)
    assert bucket.allows()


def test_ours_meets_the_luck_that_peers_meet():
    """Where nothing is to be gained, calls take what they take without us, and a run is the same when played again."""
    steady = Endpoint(lambda dice, inherent: 0.02 + 1e-4 * dice.random(len(inherent)))
    luck = Luck(World("steady", "", (steady,), 50.0, 1.0), 300, 3)
    run = ours(luck)

    assert run.fine.all()
    assert np.allclose(run.took, Player(luck, peers(luck.world)[0]).run().took)
    assert (ours(Luck(WORLDS["W1"], 500, 3)).took == ours(Luck(WORLDS["W1"], 500, 3)).took).all()


@pytest.mark.parametrize("name", ["W5", "W8", "R1.21", "R1.38"])
def test_calls_that_are_played_at_once_go_as_they_do_event_by_event(name):
    """Two ways to play the same rules in the same luck agree on every call and every request."""
    world = world_of(name)
    luck = Luck(world, 400, 5)
    rules = list(grid(world))

    for rule in [*peers(world), *rules[:: max(1, len(rules) // 4)]]:
        if rule.bucket is None:
            whole, each = Batch(luck, rule).run(), Player(luck, rule).run()
            assert (whole.fine == each.fine).all()
            assert (whole.made == each.made).all()
            assert np.allclose(whole.took, each.took)
            assert np.allclose(np.sort(whole.begun), np.sort(each.begun))


def test_the_oracle_knows_what_is_best():
    """Where one request in twenty is slow, a copy is best; where it is one call in twenty, nothing is."""
    rules = [ALONE, Rule("copy", copies=(0.0095,))]

    assert ["copy", "one attempt"] == [rule.name for rule in ranked(world_of("W1"), rules, 4_000, 1)]
    assert ["one attempt", "copy"] == [rule.name for rule in ranked(world_of("W7"), rules, 4_000, 1)]


def test_a_world_is_drawn_again_by_its_name():
    """Its name says which world it is, in every process, and no two are alike."""
    assert world_of("R7.3").title == world_of("R7.3").title
    assert len({world_of(f"R7.{number}").title for number in range(50)}) == 50
    with pytest.raises(SystemExit, match="no world is named 'W99'"):
        world_of("W99")
