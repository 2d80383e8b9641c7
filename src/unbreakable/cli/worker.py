"""The worker of `unbreakable run`: it runs what is in a file, and says whether starting it again makes sense."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from unbreakable.cli.ending import interrupted_when_asked
from unbreakable.cli.place import Place
from unbreakable.cli.serving import serve
from unbreakable.cli.target import find
from unbreakable.cli.told import Told, tell_of
from unbreakable.errors import ConfigurationError, StateFull, StateLocked, StateNotOurs, StateOwned, StateTooNew
from unbreakable.loops.complaints import LOGGER
from unbreakable.loops.library import loaded
from unbreakable.loops.loop import first_start
from unbreakable.loops.pulse import PULSE
from unbreakable.loops.supervisor import ASKED, FINISHED, IN_VAIN, UNFIT, follow, tell, wait_for_word
from unbreakable.runtime.signals import heeded

TRACE = "trace="
STARTING = 5.0  # seconds after which a function runs that has started no loop
PASSES_BY_ITSELF = (StateLocked, StateFull)
NEVER_PASSES = (StateNotOurs, StateTooNew)


def main(role: str, target: str, state: str, *words: str) -> NoReturn:
    """Run *target*, with *state* for a system that names none; *role* is there for who lists processes.

    Among the *words* "asked" says that somebody named that place, "json" that what is said is to be JSON, and "trace="
    in which file calls are recorded.
    """
    at_first = frozenset(sys.modules)
    wait_for_word()
    follow()
    first_start.listeners.append(lambda: PULSE.know(" ".join(loaded(at_first))))
    trace = next((word.removeprefix(TRACE) for word in words if word.startswith(TRACE)), None)
    with _recorded(trace):
        _run(target, state, words)


def _run(target: str, state: str, words: Sequence[str]) -> NoReturn:
    as_json, file = "json" in words, target.partition(":")[0]
    logging.getLogger(LOGGER).addHandler(Told(as_json=as_json))
    path = Path(file).resolve()  # the program may change its directory as soon as it is loaded
    sys.argv[:] = [file]
    with interrupted_when_asked() as asked:  # a file may do its work when it is loaded
        try:
            place = Place(Path(state), asked="asked" in words, as_json=as_json)
            found = find(target)
        except BaseException as error:
            if asked.was_made() and isinstance(error, (KeyboardInterrupt, ConfigurationError)):
                _finish()
            tell_of(error, path, f"{file} cannot be loaded", as_json=as_json)
            _end(error, has_run=first_start.has_happened)
        if asked.was_made():
            _finish()
    place.tell_when_it_runs(str(found), STARTING)
    try:
        serve(found, place)
    except BaseException as error:
        runs = place.has_run
        tell_of(error, path, f"{found} {'ended' if runs else 'failed before anything ran'}", as_json=as_json)
        _end(error, has_run=runs)
    _finish()


def _recorded(trace: str | None) -> contextlib.AbstractContextManager[object]:
    """Return a block in which calls are recorded, if that was asked for."""
    if trace is None:
        return contextlib.nullcontext()
    from unbreakable.observe.calls import record_trace

    return record_trace(trace)


def _finish() -> NoReturn:
    tell(ASKED if heeded else FINISHED)
    sys.exit(0)


def _end(error: BaseException, *, has_run: bool) -> NoReturn:
    """End this worker, and say whether another one would do no better."""
    if isinstance(error, NEVER_PASSES):
        words = IN_VAIN
    elif isinstance(error, StateOwned) or not (has_run or isinstance(error, PASSES_BY_ITSELF)):
        words = UNFIT
    else:
        code = error.code if isinstance(error, SystemExit) else 1
        sys.exit(code if isinstance(code, int) else 1)
    tell(words)
    sys.exit(2)
