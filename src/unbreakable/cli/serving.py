"""What was found in a file is brought to its end: by itself, or in good order when SIGTERM or SIGINT comes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from unbreakable.cli.ending import Ending, interrupted_when_asked, was_asked
from unbreakable.cli.place import Place
from unbreakable.cli.target import Target, Whole, engine_of
from unbreakable.cli.told import said_of
from unbreakable.errors import ConfigurationError
from unbreakable.loops import LoopState, QuantumLoop
from unbreakable.loops.supervisor import SOON
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.signals import noted_signals

ALL = 3.4  # seconds from the ask for all that is still to be done; the supervisor waits a little longer
GRACE = 1.8  # of them for what is in progress, where something is to be closed after it, which takes up to 1.6 more
LAST = 0.2  # seconds that the other tasks have in any case, should all that was before them have taken its time
PATIENCE = 10.0  # seconds that they have when nobody asks for the end: the program has come to it by itself
LOOK_AGAIN = 0.1  # seconds between two looks whether all have ended, or a signal came


class Exited(Exception):
    """Say that the function has ended the program itself: asyncio would let a SystemExit end its event loop."""

    def __init__(self, code: object) -> None:
        super().__init__(code)
        self.code = code


def serve(target: Target, place: Place) -> None:
    """Run it until it ends by itself, or SIGTERM or SIGINT comes; then close the systems of *place*.

    A ``sys.exit()`` of the function itself ends it well, and a KeyboardInterrupt does, as in a program that runs by
    itself.  A ``sys.exit()`` of another task on its event loop is raised: asyncio lets it end all, as a crash does.
    """
    try:
        if inspect.iscoroutinefunction(target.found):
            _run(target, place)
        else:
            _serve_plain(target, place)
    except KeyboardInterrupt:
        pass
    except Exited as exited:
        if exited.code not in (None, 0):
            sys.exit(exited.code)  # type: ignore[arg-type] # as it was called


@contextlib.contextmanager
def _its_own_exit() -> Iterator[None]:
    try:
        yield
    except SystemExit as error:
        raise Exited(error.code) from None


def _serve_plain(target: Target, place: Place) -> None:
    """Run what was found in this thread: a function, and what it returns or leaves open after it, or that by itself."""
    with interrupted_when_asked() as asked:
        try:
            if not inspect.isroutine(target.found):
                _run_together([target.found])
                return
            with _its_own_exit():
                made = target.found()
            if not asked.was_made():
                _run_together(_to_run(target, made, place))
        finally:
            _close_together(place.still_open(), asked.left(GRACE, GRACE))


def _to_run(target: Target, made: Any, place: Place) -> list[Whole]:
    """Return what is to be run after the function: what it has returned, else what it has left open."""
    if made is not None:
        return [target.whole(made)]
    try:
        return place.left_open(str(target))
    except ConfigurationError:
        if was_asked(SOON):  # it has served by itself, and has ended since its own handler was called
            return []
        raise


def _run_together(wholes: Sequence[Whole]) -> None:
    """Do what ``run`` does for one system or engine, for all of them at the same time."""
    with noted_signals() as noted:
        loops = _begun(wholes)
        while not noted and any(loop.is_running for loop in loops):
            BLOCKING.world.sleep(LOOK_AGAIN)
        _close_together(wholes, GRACE)


def _close_together(wholes: Sequence[Whole], grace: float) -> None:
    if wholes:
        with ThreadPoolExecutor(len(wholes)) as together:
            list(together.map(lambda whole: whole.aclose_sync(grace), wholes))


def _begun(wholes: Sequence[Whole]) -> list[QuantumLoop]:
    """Start all loops that are new, and return all."""
    loops = [loop for whole in wholes for loop in engine_of(whole).get_loops()]
    for loop in loops:
        if loop.state is LoopState.NEW:
            loop.start()
    return loops


def _run(target: Target, place: Place) -> None:
    """Run it as ``asyncio.run`` does, but leave tasks that swallow their cancellation when their time is up."""
    event_loop = asyncio.new_event_loop()
    ending = Ending(event_loop)
    try:
        _run_on(ending, event_loop.create_task(_serve_async(target, place, ending)))
    finally:
        place.tell_no_more()
        ending.listen_alone()
        left = event_loop.run_until_complete(_last_words(ending))
        if left:
            place.say(f"{target}: {said_of(left)} did not end in time; what is left to do there is lost")
        else:
            event_loop.close()  # one that is left to the collector may find its sockets closed, and says so at the end


def _run_on(ending: Ending, program: asyncio.Task[None]) -> None:
    """Run *program* to its end, also when a handler that it has set raises whatever it likes out of the event loop."""
    try:
        ending.loop.run_until_complete(program)
    except BaseException as error:
        ending.listen_alone()  # a second signal breaks off nothing
        if program.done():
            raise
        asked = was_asked(SOON)
        ending.ask(error.code if asked and isinstance(error, SystemExit) else None)
        ending.loop.run_until_complete(program)
        if not asked or isinstance(error, Exception):
            raise


async def _last_words(ending: Ending) -> set[asyncio.Task[Any]]:
    """Cancel what still goes on, and wait for it; return what swallows that for longer than there is time."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    left = await _in_time(others, ending)
    return left | await _in_time({asyncio.ensure_future(ending.loop.shutdown_asyncgens())}, ending)


async def _in_time(tasks: set[asyncio.Task[Any]], ending: Ending) -> set[asyncio.Task[Any]]:
    """Wait for *tasks*, for a short time once the end is asked for; return those that have not ended."""
    began = BLOCKING.now()
    while tasks:
        spent = BLOCKING.now() - began
        left = max(LAST - spent, ending.left(ALL, PATIENCE - spent))
        if left <= 0:
            break
        _, tasks = await asyncio.wait(tasks, timeout=min(left, LOOK_AGAIN))
    return tasks


async def _serve_async(target: Target, place: Place, ending: Ending) -> None:
    """Run an async function on this event loop, and what it returns, or leaves open, after it."""
    ending.listen()
    try:
        wholes = await _made(target, place, ending)
        if wholes:
            ending.listen_alone()
            await _until_ended(wholes, ending.over)
            await asyncio.gather(*(whole.aclose(GRACE) for whole in wholes))
    finally:
        left = ending.left(GRACE, GRACE)
        await asyncio.gather(*(whole.aclose(left) for whole in place.still_open()))


async def _made(target: Target, place: Place, ending: Ending) -> list[Whole]:
    """Return what the function makes; when the end is asked for meanwhile it is cancelled, and that is nothing."""
    task, over = asyncio.ensure_future(_called(target)), ending.over
    await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
    if not over.done() and not (task.cancelled() and was_asked(SOON)):  # by a handler of its own
        made = await task
        return [] if was_asked() else _to_run(target, made, place)
    task.cancel()
    await asyncio.wait({task}, timeout=ending.left(GRACE, GRACE))
    if not place.still_open():
        await asyncio.wait({task}, timeout=ending.left(ALL, ALL))
    if task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await task  # what it raises in its last moments is as much an end as before
    if over.done() and over.result() not in (None, 0):
        raise Exited(over.result())
    return []


async def _called(target: Target) -> Any:
    with _its_own_exit():
        return await target.found()


async def _until_ended(wholes: Sequence[Whole], over: asyncio.Future[Any]) -> None:
    ended = asyncio.gather(*(loop.wait() for loop in _begun(wholes)))
    await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ended
