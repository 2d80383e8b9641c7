"""Annotations may name what is not there: from Python 3.14 on nobody needs them to be, before somebody asks."""

from __future__ import annotations

import runpy
import sys

import pytest

import unbreakable as ub

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="it is an error where the function is defined")

PROGRAM = """
failures = []


def operation(ctx: Nobody) -> Nobody:
    return ctx.input


def is_text(city: Nobody) -> Nobody:
    return isinstance(city, str)


def answer(failure: Nobody) -> Nobody:
    return "nothing"


@ub.protect("search", effects="none", validate=is_text, verify=is_text, key=is_text, fallback=answer, budget=False)
def search(city: Nobody, token: Nobody = "old") -> Nobody:
    if token == "old":
        raise PermissionError(city)
    return city


@search.remedy(PermissionError)
def refresh(failure: Nobody) -> Nobody:
    failures.append(failure)
    return {"token": "new"}


class Query:
    @ub.protect("narrow", key=lambda self, city: city)
    def narrow(self, city: str) -> Query:
        return self
"""


@pytest.fixture
def program(tmp_path):
    """Return what a module has that is written without a future import."""
    (tmp_path / "program.py").write_text(PROGRAM)
    return runpy.run_path(str(tmp_path / "program.py"), {"ub": ub})


def test_what_is_protected_may_be_annotated_by_anything(program):
    """So may all that is given to it, and a class's methods by the class itself."""
    assert "CAI" == program["search"]("CAI")
    assert 1 == len(program["failures"])
    assert isinstance(program["Query"]().narrow("CAI"), program["Query"])


def test_operations_may_be_annotated_by_anything(program):
    """Of nodes, engines and loops."""
    operation = program["operation"]

    assert 3 == ub.FractalNode("node", operation).execute_sync(context=3).value
    assert 3 == ub.FractalNode("node").execute_sync(operation, 3).value
    assert 3 == ub.QuantumSimulationEngine().execute_quantum_sync(operation, 3)
    assert "operation" == ub.QuantumLoopEngine().create_loop(operation).get_status().name
