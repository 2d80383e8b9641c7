"""What ends a program that `unbreakable run` serves, and what only ends a part of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from unbreakable.cli.place import Place
from unbreakable.cli.serving import serve
from unbreakable.cli.target import Target
from unbreakable.runtime import ASYNCIO
from unbreakable.runtime.signals import came
from unbreakable.testing import virtual_time

pytestmark = pytest.mark.real
SAID: list[str] = []
NO_SYSTEM = cast("Place", SimpleNamespace(still_open=list, tell_no_more=lambda: None, say=SAID.append))


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch):
    event_loop = asyncio.new_event_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: event_loop)
    heard = came[:]  # by other tests, in this process
    came.clear()
    yield
    came[:] = heard
    event_loop.close()
    for number, meaning in before.items():
        signal.signal(number, meaning)


def program(found: Any) -> Target:
    return Target("program.py", "main", found)


RAN: list[str] = []


async def leave() -> None:
    RAN.append("leave")
    sys.exit(0)


async def be_left() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 0)
    await asyncio.Event().wait()


def leave_at_once() -> None:
    RAN.append("leave_at_once")
    sys.exit()


@pytest.mark.parametrize("main", [leave, leave_at_once])
def test_a_function_that_exits_has_ended_well(main):
    """It is the whole program, and says that it is done."""
    RAN.clear()
    serve(program(main), NO_SYSTEM)

    assert [main.__name__] == RAN


def test_what_else_exits_is_not_the_end_of_its_program():
    """What asyncio makes of it takes everything along, as a crash does: the worker is started again."""
    with pytest.raises(SystemExit):
        serve(program(be_left), NO_SYSTEM)


ENDED: list[str] = []


async def flush(seconds: float) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await ASYNCIO.sleep(seconds)
        ENDED.append("flushed")


async def swallow(until: set[str]) -> None:
    while not until:
        with contextlib.suppress(asyncio.CancelledError):
            await ASYNCIO.sleep(1)


@pytest.mark.parametrize("way", ["returns", "raises"])
def test_other_tasks_clean_up_when_main_has_ended_by_itself(way):
    """A last POST that takes its time is nobody's hang."""
    ENDED.clear()

    async def main() -> Any:
        tasks = [asyncio.create_task(flush(seconds)) for seconds in (0.5, 9)]
        await ASYNCIO.sleep(0.1)
        sys.exit(f"{len(tasks)} tasks" if way == "raises" else 0)

    with pytest.raises(SystemExit) if way == "raises" else contextlib.nullcontext(), virtual_time():
        serve(program(main), NO_SYSTEM)

    assert ["flushed", "flushed"] == ENDED


@pytest.mark.parametrize(("asked", "seconds"), [(False, 10.0), (True, 4.4)])
def test_what_swallows_its_cancellation_is_left_and_named(asked, seconds):
    """A main that is over waits for it, and not as long once the end is asked for."""
    SAID.clear()
    tasks: list[asyncio.Task[None]] = []
    until: set[str] = set()

    async def main() -> None:
        tasks.extend(asyncio.create_task(swallow(until)) for _ in range(5))
        await ASYNCIO.sleep(0)
        if asked:
            asyncio.get_running_loop().call_later(1.0, signal.raise_signal, signal.SIGTERM)
        sys.exit()

    with virtual_time() as clock:
        serve(program(main), NO_SYSTEM)
        assert seconds == pytest.approx(clock.now())
        until.add("it has been seen")
        tasks[0].get_loop().run_until_complete(asyncio.wait(tasks))

    one = f"swallow at test_serving.py:{swallow.__code__.co_firstlineno + 3}"
    assert [f"main in program.py: {one}, {one}, {one} and 2 others did not end in time; what is left to do"] == [
        said.removesuffix(" there is lost") for said in SAID
    ]
