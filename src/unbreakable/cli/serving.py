"""What was found in a file is brought to its end: by itself, or in good order when SIGTERM or SIGINT comes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from unbreakable.cli.place import Place
from unbreakable.cli.target import Target, Whole, engine_of
from unbreakable.errors import ConfigurationError
from unbreakable.loops import LoopState, QuantumLoop
from unbreakable.loops.supervisor import told_to_end
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.signals import ASKING, Handler, came, give_back, noted_signals, take, take_on

GRACE = 1.8  # seconds that what is in progress has when the end is asked for; closing everything takes up to 1.6 more
LOOK_AGAIN = 0.1  # seconds between two looks whether all have ended, or a signal came
LAST = 0.2  # seconds that tasks have which everybody has let go of
SOON = 0.3  # seconds within which the supervisor has heard, too, of what was sent to all processes


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
            if not was_asked(asked):
                _run_together(_to_run(target, made, place))
        finally:
            _close_together(place.still_open(), GRACE)


def was_asked(asked: Sequence[int] = (), *, patience: float = 0.0) -> bool:
    """Return whether the end was asked for, be it of what the program itself was running, or of its own handler.

    Of a handler that the program has set by itself only the supervisor tells, within *patience* seconds.
    """
    return bool(asked or came or told_to_end(patience))


@contextlib.contextmanager
def interrupted_when_asked() -> Iterator[list[int]]:
    """Let SIGTERM be a Ctrl-C, once, so that every ``finally`` and ``with`` has its say; yield the signals that came.

    A second one, which whoever ends a whole group of processes sends, breaks off nothing that the first has begun.
    What the program has made of SIGTERM by itself is called instead.
    """
    asked, meaning, on_interrupt = list[int](), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        if asked or came:
            return
        asked.append(number)
        if callable(meaning):
            meaning(number, frame)
        else:
            signal.raise_signal(signal.SIGINT)  # not raised here: asyncio.run makes a cancellation of it

    taken = [take(signal.SIGTERM, ask)]
    if not callable(on_interrupt):  # where a shell has started us in the background it is ignored
        taken.append(take(signal.SIGINT, signal.default_int_handler))
    try:
        yield asked
    finally:
        for each in taken:
            give_back(each)


def _to_run(target: Target, made: Any, place: Place) -> list[Whole]:
    """Return what is to be run after the function: what it has returned, else what it has left open."""
    if made is not None:
        return [target.whole(made)]
    try:
        return place.left_open(str(target))
    except ConfigurationError:
        if was_asked(patience=SOON):  # it has served by itself, and has ended since its own handler was called
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


class _Ending:
    """Hear on *loop* that the end is asked for; ``over`` has then the exit code of who asked by ``sys.exit``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.over = loop, loop.create_future()
        self._asked, self._at = list[int](), 0.0

    def listen(self) -> None:
        """Take SIGTERM and SIGINT; a handler that the program has for one is called, as it would be, instead of us."""
        for number in ASKING:
            meaning = signal.getsignal(number)
            take_on(self.loop, number, self._hearing(meaning if callable(meaning) else signal.default_int_handler))

    def listen_alone(self) -> None:
        """Take them once more, when what the program has set handlers for is over."""
        for number in ASKING:
            take_on(self.loop, number, lambda *_: self.loop.call_soon_threadsafe(self.ask))

    def ask(self, code: object = None) -> None:
        if not self.over.done():
            self._at = self.loop.time()
            self.over.set_result(code)

    def left(self) -> float:
        """Return how many seconds of the grace are left."""
        return max(0.0, GRACE - (self.loop.time() - self._at)) if self.over.done() else GRACE

    def _hearing(self, meaning: Handler) -> Handler:
        def hear(number: int, frame: FrameType | None) -> None:
            if self._asked:
                return  # the second one breaks off nothing that the first has begun
            self._asked.append(number)
            came.append(number)
            try:
                meaning(number, frame)
            except (KeyboardInterrupt, SystemExit) as error:  # raised here it would end the event loop at once
                code = error.code if isinstance(error, SystemExit) else None
                self.loop.call_soon_threadsafe(self.ask, code)

        return hear


def _run(target: Target, place: Place) -> None:
    """Run it as ``asyncio.run`` does, but wait only LAST seconds for tasks that swallow their cancellation."""
    event_loop = asyncio.new_event_loop()
    ending = _Ending(event_loop)
    try:
        _run_on(ending, event_loop.create_task(_serve_async(target, place, ending)))
    finally:
        tasks = asyncio.all_tasks(event_loop)
        for task in tasks:
            task.cancel()
        if tasks:
            event_loop.run_until_complete(asyncio.wait(tasks, timeout=LAST))
        event_loop.run_until_complete(event_loop.shutdown_asyncgens())
        if not asyncio.all_tasks(event_loop):
            event_loop.close()  # one that is left to the collector may find its sockets closed, and says so at the end


def _run_on(ending: _Ending, program: asyncio.Task[None]) -> None:
    """Run *program* to its end, also when a handler that it has set raises whatever it likes out of the event loop."""
    try:
        ending.loop.run_until_complete(program)
    except BaseException as error:
        ending.listen_alone()  # a second signal breaks off nothing
        if program.done() or not was_asked(patience=SOON):
            raise
        ending.ask(error.code if isinstance(error, SystemExit) else None)
        ending.loop.run_until_complete(program)
        if isinstance(error, Exception):
            raise


async def _serve_async(target: Target, place: Place, ending: _Ending) -> None:
    """Run an async function on this event loop, and what it returns, or leaves open, after it."""
    ending.listen()
    try:
        wholes = await _made(target, place, ending.over)
        if wholes:
            ending.listen_alone()
            await _until_ended(wholes, ending.over)
            await asyncio.gather(*(whole.aclose(GRACE) for whole in wholes))
    finally:
        left = ending.left()
        await asyncio.gather(*(whole.aclose(left) for whole in place.still_open()))


async def _made(target: Target, place: Place, over: asyncio.Future[Any]) -> list[Whole]:
    """Return what the function makes; when the end is asked for meanwhile it is cancelled, and that is nothing."""
    task = asyncio.ensure_future(_called(target))
    await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
    if not over.done() and not (task.cancelled() and was_asked(patience=SOON)):  # by a handler of its own
        made = await task
        return [] if was_asked() else _to_run(target, made, place)
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE)
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
