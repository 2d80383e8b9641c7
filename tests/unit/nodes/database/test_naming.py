"""Functions are known again by their names, and lambdas by what they do."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest

from unbreakable.nodes.database.naming import are_the_same, name_of

ONE, SAME, OTHER = (lambda tx: tx.add({"a", "b"})), (lambda tx: tx.add({"a", "b"})), (lambda tx: tx.add({"a", "c"}))
INNER = lambda tx: [each for each in tx.all() if each in {"a", "b", "c"} or tx.undo(lambda: None)]


class Work:
    def book(self, tx): ...

    def __call__(self, tx): ...


def test_named_functions_are_known_by_their_names():
    """What a function does may change without a change of its name, and partials are what they are made of."""
    assert ["Work.book", "Work", "Work.book", "len"] == [
        name_of(fn) for fn in (Work().book, Work(), functools.partial(Work().book, 1), len)
    ]


def test_lambdas_are_known_by_what_they_do():
    """Two that do the same are one, wherever they are written."""
    assert name_of(ONE) == name_of(SAME) != name_of(OTHER)


@pytest.mark.real
@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_name_of_a_lambda_is_the_same_in_every_process(seed):
    """Neither addresses nor the order of sets get into it."""
    program = f"""
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("twin", {__file__!r})
twin = module_from_spec(spec)
spec.loader.exec_module(twin)
print(twin.name_of(twin.ONE), twin.name_of(twin.INNER), sep="\\n")
"""
    child = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )

    assert [name_of(ONE), name_of(INNER)] == child.stdout.splitlines()


@pytest.mark.parametrize(
    ("stored", "asked", "same"),
    [
        ("charge", "charge", True),
        ("charge", "refund", False),
        ("charge", "<lambda> cpython-311 aa", False),
        ("<lambda> cpython-311 aa", "<lambda> cpython-311 aa", True),
        ("<lambda> cpython-311 aa", "<lambda> cpython-311 bb", False),
        ("<lambda> cpython-311 aa", "<lambda> cpython-312 bb", True),
        ("<lambda>", "<lambda> cpython-311 aa", True),
        ("a.<lambda> cpython-311 aa", "b.<lambda> cpython-311 aa", False),
    ],
)
def test_names_are_compared_as_far_as_can_be_told(stored, asked, same):
    """What another version of Python made of a lambda says nothing: it is taken for the same one."""
    assert same is are_the_same(stored, asked)
