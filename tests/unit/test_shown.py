"""What help() and editors show of the public face."""

from __future__ import annotations

import inspect

import pytest

import unbreakable as ub
from unbreakable.fractal.settings import OPTIONS

NO_VERBS = {"A", "All", "An", "How", "One", "The", "What", "Where", "Which", "Who", "Whether", "Everything"}


def test_protect_shows_every_keyword():
    """Nobody has to guess what may be given; the defaults are those that are meant."""
    shown = inspect.signature(ub.protect).parameters

    assert {"name", *OPTIONS} == set(shown)
    assert ("unknown", (), "adaptive") == tuple(shown[each].default for each in ("effects", "remedies", "strategy"))


@pytest.mark.parametrize("name", ub.__all__)
def test_every_public_thing_says_what_it_does(name):
    """Its first sentence begins with a verb."""
    assert (inspect.getdoc(getattr(ub, name)) or "").split()[0] not in NO_VERBS


@pytest.mark.parametrize("strategy", ["optimistic", "pessimistic", "conservative", "aggressive", "balanced", "random"])
def test_help_names_every_strategy(strategy):
    """All seven can be asked for, so all seven are told."""
    assert f'"{strategy}"' in (inspect.getdoc(ub.protect) or "")
