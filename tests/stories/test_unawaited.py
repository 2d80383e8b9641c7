"""A function that returns what is still to be awaited has not done its work: that is no success."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

import unbreakable as ub
from unbreakable.runtime import unawaited

FORMS = {
    "plain": lambda door: door(),
    "outcome": lambda door: door.outcome().unwrap(),
    "inside": lambda door: ub.protect("outer", retry=False)(door)(),
}


async def work():
    raise ConnectionError("down")


class Request(Coroutine):
    """What a client of HTTP returns: to be awaited, or to be entered; it holds a coroutine."""

    def __init__(self):
        self.coroutine = work()

    def __await__(self):
        return self.coroutine.__await__()

    def send(self, value):
        return self.coroutine.send(value)

    def throw(self, *error):
        return self.coroutine.throw(*error)

    def close(self):
        self.coroutine.close()


class Promise:
    """Something to be awaited that cannot be closed."""

    def __await__(self):
        yield


MAKERS = {
    "Future": lambda: asyncio.get_running_loop().create_future(),
    "Task": lambda: asyncio.ensure_future(asyncio.Event().wait()),
    "Promise": Promise,
    "Request": Request,
    "coroutine": work,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", MAKERS)
def test_a_plain_function_is_told_to_await_it(what, form, attempt):
    """In the same words in every form, as a fault of the program: neither repeated nor the circuit's."""
    failures = [ConnectionError("again")] * (attempt - 1)

    @ub.protect("partner", effects="none", retry=ub.Retry(3, backoff=ub.Backoff(0.0)))
    def get():
        if failures:
            raise failures.pop()
        return MAKERS[what]()

    async def main():
        with pytest.raises(TypeError) as told:
            FORMS[form](get)
        return str(told.value)

    expected = f"the function returned what is to be awaited ({what}): make it an async function that awaits it"
    assert expected == asyncio.run(main())
    status = get.node.get_status()
    assert (0, 1, "closed") == (status.success_count, status.failure_count, status.breaker)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("what", ["Request", "coroutine"])
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_an_async_function_has_to_await_what_can_only_be_awaited(form, what):
    """A coroutine that it hands on would be run by whoever called it, unprotected."""

    @ub.protect("partner", retry=False)
    async def get():
        return MAKERS[what]()

    async def main():
        return (await get.outcome()).unwrap() if form == "outcome" else await get()

    with pytest.raises(TypeError, match=rf"\({what}\): make it an async function that awaits it"):
        asyncio.run(main())


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_an_async_function_may_start_a_task(form):
    """What runs by itself can be its result, as a connection that can be awaited can."""

    @ub.protect("starter")
    async def start():
        return asyncio.ensure_future(asyncio.sleep(0, 7))  # noqa: TID251

    async def main():
        return await ((await start.outcome()).unwrap() if form == "outcome" else await start())

    assert [7, 7] == [asyncio.run(main()) for _ in range(2)]


def test_what_was_a_result_once_is_asked_no_more():
    """Only so many types are remembered: whoever makes classes as it goes fills no memory."""

    def make():
        return type("Row", (), {})()

    door = ub.protect("maker")(make)
    for _ in range(2 * unawaited.MOST_TYPES):
        door()

    assert unawaited.MOST_TYPES >= len(unawaited.RESULTS[False])
    with pytest.raises(TypeError):
        ub.protect("maker")(lambda: Promise())()  # noqa: PLW0108 - a class is not protected
