"""Whatever a status says in one word compares with that word."""

from __future__ import annotations

import json
import pickle

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.loops.status import LoopState
from unbreakable.policies import State
from unbreakable.workflows.result import StepState

WORDS = [ub.Status, Kind, ub.RunStatus, StepState, LoopState, State]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_a_word_compares_with_its_text(words):
    """It equals its text, reads back from it, prints as it, and still says in a traceback what it is."""
    for word in words:
        assert word == word.value == str(word) == f"{word}" == json.loads(json.dumps(word))
        assert word is words(word.value) is pickle.loads(pickle.dumps(word))  # noqa: S301 - written a moment ago
        assert f"<{words.__name__}.{word.name}: {word.value!r}>" == repr(word)


def test_an_outcome_is_compared_with_a_word():
    """What one would write first is true."""
    assert "ok" == ub.FractalNode("good").execute_sync(lambda: 1).status
    assert "closed" == ub.FractalNode("good").breaker.state
