"""What ends a program that `unbreakable run` serves, and what only ends a part of it."""

from __future__ import annotations

import asyncio
import signal
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from unbreakable.cli.place import Place
from unbreakable.cli.serving import serve
from unbreakable.cli.target import Target
from unbreakable.runtime.signals import came

pytestmark = pytest.mark.real
NO_SYSTEM = cast("Place", SimpleNamespace(still_open=list))


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
