"""What plans need of numpy is fetched once, off everybody's way."""

from __future__ import annotations

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
