"""What each partner will do wrong is decided by the seed alone."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pytest

from unbreakable.demo.script import PACES, Fault, Outage, Script, Turn, outages

SERVICES = sorted(PACES)


def turns(script, service, count=20_000):
    return [script.turn(service, "POST /charges", f"b-{number}", 1) for number in range(count)]


def test_the_same_labels_meet_the_same_turn():
    """Two scripts of one seed agree on every request, so both runs of the demo meet the same partners."""
    first, second = Script(seed=7, fault_rate=0.2), Script(seed=7, fault_rate=0.2)

    assert turns(first, "payments", 200) == turns(second, "payments", 200)


def test_a_script_is_the_same_on_every_machine():
    """A draw is pinned: it may not depend on hash seeds, versions or platforms."""
    turn = Script(seed=1, fault_rate=1.0).turn("hotels", "POST /holds", "b-00000", 1)

    assert Turn(latency=pytest.approx(0.003452781660198017), fault=Fault.RESET, committed=True) == turn


@pytest.mark.parametrize("other", [("payments", "POST /charges", "b-1", 2), ("hotels", "POST /charges", "b-1", 1)])
def test_each_label_matters(other):
    """Another visit or another service is another roll of the dice."""
    script = Script(seed=7, fault_rate=0.2)

    assert script.turn("payments", "POST /charges", "b-1", 1) != script.turn(*other)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.10, 1.0])
def test_the_share_of_faults_is_the_one_asked_for(rate):
    """As many requests fail as the fault rate says."""
    faulty = sum(turn.fault is not Fault.NONE for turn in turns(Script(seed=3, fault_rate=rate), "payments"))

    assert rate == pytest.approx(faulty / 20_000, abs=0.006)


def test_every_kind_of_fault_happens():
    """All four kinds come, in their shares, and resets and hangs come after the effect about half the time."""
    faulty = turns(Script(seed=3, fault_rate=1.0), "payments")
    kinds = Counter(turn.fault for turn in faulty)
    rude = [turn.committed for turn in faulty if turn.fault in {Fault.RESET, Fault.HANG}]

    assert [0.30, 0.25, 0.30, 0.15] == pytest.approx([kinds[kind] / 20_000 for kind in list(Fault)[1:]], abs=0.01)
    assert 0.5 == pytest.approx(sum(rude) / len(rude), abs=0.02)


def test_only_broken_connections_hide_an_effect():
    """An answer that says it failed has had no effect."""
    faulty = turns(Script(seed=3, fault_rate=1.0), "payments", 2_000)

    assert not any(turn.committed for turn in faulty if turn.fault in {Fault.ERROR, Fault.UNAVAILABLE})


@pytest.mark.parametrize("service", SERVICES)
def test_latency_has_its_median_and_a_heavy_capped_tail(service):
    """Half the requests are as fast as the service is, about one in a hundred is far slower, none beyond the cap."""
    pace = PACES[service]
    latencies = sorted(turn.latency for turn in turns(Script(seed=3, fault_rate=0.0), service))

    assert pace.median == pytest.approx(median(latencies), rel=0.05)
    assert pace.median + pace.tail_least <= latencies[int(len(latencies) * 0.99)]
    assert pace.most >= latencies[-1]


def test_one_partner_restarts_and_another_dies_if_asked():
    """Every run has one short restart; the long outage lies in the middle."""
    restart = Outage(service="hotels", at=6.0, down=0.5)

    assert (restart,) == outages(20.0, kill_partner=False)
    assert (restart, Outage(service="payments", at=10.0, down=3.0)) == outages(20.0, kill_partner=True)
