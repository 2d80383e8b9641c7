"""What plans need of numpy is fetched once, off everybody's way."""

from __future__ import annotations

import sys

import pytest

import unbreakable as ub
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.world import RealWorld
from unbreakable.simulation import numbers


@pytest.fixture
def chores(monkeypatch):
    """Return the chores that wait, of a process in which nothing was fetched yet."""
    waiting, world = [], RealWorld()
    monkeypatch.setattr(numbers, "_stage", numbers._Stage.ABSENT)
    monkeypatch.setattr(numbers, "_is_told", False)
    monkeypatch.setattr(world, "background", waiting.append)
    monkeypatch.setattr(BLOCKING, "world", world)
    return waiting


def test_it_is_asked_for_once(chores):
    """However often somebody asks before it is there, or while it comes, one chore is enough."""
    asked = [numbers.at_hand() for _ in range(3)]
    real, seen = numbers.importlib.import_module, []

    def meanwhile(name):
        seen.append(numbers.at_hand())
        return real(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers.importlib, "import_module", meanwhile)
        chores[0]()

    assert ([False] * 3, [False] * 2) == (asked, seen)
    assert numbers.at_hand()
    assert 1 == len(chores)


def test_the_first_target_is_weighed_as_soon_as_it_has_come(chores):
    """After forty successes, and not after the two hundred and fifty that the next plan would take."""
    engine = ub.QuantumSimulationEngine()
    node = ub.FractalNode("job", lambda: 1, effects="none")
    engine.adopt(node)
    for _ in range(40):
        node.execute_sync()
    while chores:
        chores.pop(0)()

    assert (40, 2) == (node.get_status().plan["observations"], engine.get_quantum_stats().total_simulations)


def test_what_failed_to_come_is_asked_for_again(chores, monkeypatch):
    """An import that fails once is tried again when the next plan is wanted."""

    def fails(name):
        raise ImportError(name)

    numbers.at_hand()
    with monkeypatch.context() as patch:
        patch.setattr(numbers.importlib, "import_module", fails)
        with pytest.raises(ImportError):
            chores.pop()()
    numbers.at_hand()
    chores.pop()()

    assert numbers.at_hand()


def test_that_it_cannot_be_imported_is_told_once(chores, monkeypatch):
    """It is tried for each plan; a log that says so each time would be full of it."""
    monkeypatch.setattr(numbers.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError("no numpy")))
    numbers.at_hand()
    with pytest.raises(ImportError, match=r"weighed with numpy, which cannot be imported here \(no numpy\)"):
        chores.pop()()
    asked = [numbers.at_hand() or chores.pop()() for _ in range(3)]

    assert [None] * 3 == asked


def test_without_numpy_a_decision_is_refused_in_words_and_nothing_is_said_to_be_gained(chores, monkeypatch):
    """Calls are protected all the same, by fixed factors, and what is counted is told."""
    engine = ub.QuantumSimulationEngine()
    for _ in range(40):
        engine.execute_quantum_sync(int, name="job", effects="none")
    for name in ("numpy", "unbreakable.simulation.bands", "unbreakable.simulation.ratio"):
        monkeypatch.setitem(sys.modules, name, None)
    stats = engine.get_quantum_stats()

    assert (40, None) == (stats.total_executions, stats.avg_speedup)
    with pytest.raises(ub.errors.ConfigurationError, match="strategies are weighed with numpy"):
        engine.simulate("job")
