"""What a node refuses when it is made, and what it says was expected."""

from __future__ import annotations

import re
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING


@pytest.mark.parametrize("runtime", [3, "asyncio", object(), type(BLOCKING), False])
def test_what_is_no_runtime_is_refused(runtime):
    """It is said what was expected, as for every other setting, and nothing is made."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"^n: runtime must be .*BLOCKING, or None, not ") as refused:
        ub.FractalNode("n", runtime=runtime)

    assert re.search(r"not (3|'asyncio'|<object|<class|False)", str(refused.value))


@pytest.mark.parametrize("runtime", [None, ASYNCIO, BLOCKING])
def test_a_runtime_is_taken(runtime):
    """Both of this process, and None for what suits the code that calls."""
    assert runtime is ub.FractalNode("n", runtime=runtime).runtime


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": 7}, "name must be a word, not 7"),
        ({"operation": 7}, "n: operation must be a function, a node or None, not 7"),
        ({"parent": "p"}, "n: parent must be a FractalNode or None, not 'p'"),
        ({"system": 7}, "n: system must be a ub.QuantumSystem or None, not 7"),
    ],
)
def test_every_other_argument_is_refused_alike(wrong: dict[str, Any], message):
    """Each says where it is wrong, and what was expected."""
    with pytest.raises(ub.errors.ConfigurationError, match=re.escape(message)):
        ub.FractalNode(**{"name": "n", **wrong})
