"""A signal's exception comes up between two steps of the library's code, wherever Python lets one in."""

from __future__ import annotations

import dis
import functools
import os
import sys
from pathlib import Path

import unbreakable
from unbreakable.fractal.attempts import Attempts, Loop
from unbreakable.fractal.streams import Stream
from unbreakable.fractal.trying import Attempting
from unbreakable.policies.policy import compose
from unbreakable.runtime import play_blocking

OURS = str(Path(unbreakable.__file__).parent) + os.sep
# After these Python looks whether a signal has come; a Python function is called, and returns, without.
CALLS, EVER = {"CALL", "CALL_KW"}, {"CALL_FUNCTION_EX"}
if sys.version_info < (3, 12):  # later, where a loop in a ``try`` goes back is in none, whatever we write
    EVER.add("JUMP_BACKWARD")
# The last that they do is to make a coroutine, or what they call for it does no more than that:
_MAKE = (play_blocking, compose([None], None), Stream._written, Attempts._write, Loop.__anext__)
MAKERS = {each.__code__ for each in _MAKE}
LAST_MAKERS = {Attempting.attempt.__code__}
FINALIZERS = {"__del__", Attempts._is_dropped.__name__}
AWAITED = 2  # what RESUME has for an argument, or more, where a coroutine goes on after an await


@functools.cache
def looks_after(code):
    """Return after which instructions of *code* a signal is let in; True: also when a Python function has returned."""
    found = {}
    for step in dis.get_instructions(code):
        if step.opname in EVER or (step.opname == "RESUME" and (step.arg or 0) & 3 < AWAITED):
            found[step.offset] = True
        elif step.opname in CALLS:
            found[step.offset] = False
    return found


@functools.cache
def awaits(code):
    """Return the instructions of *code* that come after a coroutine was made."""
    after = {"GET_AWAITABLE", *["RETURN_VALUE"] * (code in LAST_MAKERS)}
    found = {step.offset for step in dis.get_instructions(code) if step.opname in after}
    # One of two may be awaited, by a condition.
    return found | {
        step.offset for step in dis.get_instructions(code) if "JUMP" in step.opname and step.argval in found
    }


def makes_coroutine(frame):
    """Return whether what *frame* has called was an async function, which returns at once without telling us."""
    return frame.f_code in MAKERS or frame.f_lasti in awaits(frame.f_code)


def is_finalizing(frame):
    """Return whether *frame* is one of a finalizer, or of what that has called."""
    while frame is not None and frame.f_code.co_name not in FINALIZERS:
        frame = frame.f_back
    return frame is not None


class Interrupted:
    """Raise *error* at the place number *at*, of those where a signal could in this thread; count the places."""

    def __init__(self, error, at):
        self.error, self.at, self.places, self.where = error, at, 0, None
        self._steps, self._returned = {}, False

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._begin)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)
        self._steps.clear()

    @property
    def came(self):
        """Return whether there was such a place."""
        return self.places >= self.at

    def _begin(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._steps[frame] = None
        if looks_after(frame.f_code).get(frame.f_lasti):  # as a function begins, before it is in any block of its own
            self._pass(frame)
        return self._look

    def _look(self, frame, event, _):
        if event == "opcode":
            last, self._steps[frame] = self._steps.get(frame), frame.f_lasti
            returned, self._returned = self._returned, False
            looks = None if last is None else looks_after(frame.f_code).get(last)
            if looks or (looks is False and not returned and not makes_coroutine(frame)):
                self._pass(frame)
        elif event == "return":
            self._steps.pop(frame, None)
            self._returned = True
        return self._look

    def _pass(self, frame):
        self.places += 1
        if self.places == self.at and is_finalizing(frame):
            self.at += 1  # Python would keep it to itself there
        elif self.places == self.at:
            sys.settrace(self._before)
            self.where = f"{frame.f_code.co_filename.removeprefix(OURS)}:{frame.f_lineno} {frame.f_code.co_name}"
            raise self.error
