"""The collector comes in the middle of setting a context variable, and what it closes or ends sets the same one."""

from __future__ import annotations

import contextvars
import gc
import sys
import weakref
from pathlib import Path

import pytest
from tests.torture.left_generators import REPORT, ended

import unbreakable as ub

LEFT_GENERATORS_AND_CALLS_IN_DEL = f"""
{REPORT}
@ub.protect("ask", effects="none", retry=False, breaker=False)
def ask():
    return 1

class Asking:
    def __init__(self):
        self.itself = self

    def __del__(self):
        ask()

for threshold in (7, 13, 20):
    gc.set_threshold(threshold)
    for n in range(100):
        Report()
        ask()
    for n in range(200):
        Asking()
        left = [[] for _ in range(n % 23)]
        ask()
"""
COLLECTIONS_ONE_AFTER_THE_OTHER = """
import contextvars, gc
import unbreakable as ub

ub.protect(print)  # what sets variables is loaded for the first call that is protected, and sees to collections
variable = contextvars.ContextVar("variable")
others = [contextvars.ContextVar(f"other {n}") for n in range(40)]
for other in others:
    other.set(object())

class Setting:
    def __init__(self):
        self.itself = self

    def __del__(self):
        global left
        variable.set([[] for _ in range(9)])
        variable.set(None)
        Setting()
        left = [[] for _ in range(9)]  # more than the threshold: the next allocation collects again

gc.freeze()
Setting()
for threshold in (1, 3):
    gc.set_threshold(threshold)
    for _ in range(300):
        variable.set(object())
"""


@pytest.mark.real
@pytest.mark.parametrize("story", [LEFT_GENERATORS_AND_CALLS_IN_DEL, COLLECTIONS_ONE_AFTER_THE_OTHER])
def test_a_program_lives_through_it(story):
    """No program dies since the collector closes a generator, or ends a call, as a variable is being set."""
    # Memory that is freed reads as nonsense.
    done = ended(f"{story}\nimport os\nos._exit(0)", 60, PYTHONMALLOC="debug")

    assert [0, b""] == [done.returncode, done.stderr]


class Value:
    """Something that a variable is set to."""


variable: contextvars.ContextVar[object] = contextvars.ContextVar("variable", default=None)


def test_what_was_in_force_at_a_collection_is_not_kept():
    """What a variable was when the collector came goes with the next one, as if the collector had not come."""
    value = Value()
    known = weakref.ref(value)
    variable.set(value)
    del value
    gc.collect()
    variable.set(None)

    assert known() is None


def test_of_what_was_in_force_at_many_little_is_kept():
    """A hundred collections that each set a variable keep no more than a few of what it was before."""

    class Setter:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            variable.set(None)

    values = [Value() for _ in range(100)]
    known = [weakref.ref(value) for value in values]
    while values:
        variable.set(values.pop())
        Setter()
        gc.collect()

    assert sum(reference() is not None for reference in known) <= 8


def test_a_collection_runs_no_line_of_ours():
    """No code of this library runs in a collection, where what a handler of signals raises would be lost."""
    lines = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: lines.append(frame.f_code.co_filename) if event == "call" else None)
    try:
        gc.collect()
    finally:
        sys.setprofile(before)

    folder = str(Path(ub.__file__).parent)
    assert [line for line in lines if line.startswith(folder)] == []
