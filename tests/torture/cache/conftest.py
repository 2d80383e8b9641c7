"""What the stories of a cache share: virtual time, something to load, and crowds that ask for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time


def play_in_virtual_time(story):
    """Return what the story returns, in virtual time, and make sure that no task is left behind."""

    async def whole():
        value = await story()
        await ASYNCIO.sleep(0.001)
        assert 1 == len(asyncio.all_tasks())
        return value

    with virtual_time():
        return asyncio.run(whole())


@pytest.fixture
def play():
    """Return what plays an async story."""
    return play_in_virtual_time


class Loader:
    """Take *seconds* to load a number, which says the how manieth load it was; raise what is in *fails* instead."""

    def __init__(self, seconds=1.0, fails=()):
        self.seconds, self.fails, self.began, self.ended = seconds, list(fails), 0, 0

    async def __call__(self, key):
        self.began += 1
        number = self.began
        try:
            await ASYNCIO.sleep(self.seconds)
            if self.fails:
                raise self.fails.pop(0)
        finally:
            self.ended += 1
        return number


@pytest.fixture
def new_loader():
    """Return what makes a loader."""
    return Loader


# ── threads ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def nap(seconds):
    """Sleep in sync code."""
    run_blocking(BLOCKING.sleep(seconds))


class Crowd:
    """Do things in threads, in virtual time, and collect what came of each."""

    def __init__(self):
        self.threads, self.ends = [], []

    def ask(self, work, *args, **settings):
        """Begin a thread; its place in ``ends`` is kept."""
        place = len(self.ends)
        self.ends.append(None)

        def run():
            try:
                self.ends[place] = work(*args, **settings)
            except BaseException as error:
                self.ends[place] = error

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()
        return self

    def ask_on_a_loop(self, cache, *keys):
        """Begin a thread with an event loop of its own."""

        async def story():
            return await asyncio.gather(*(cache.get(key) for key in keys), return_exceptions=True)

        return self.ask(lambda: asyncio.run(story()))

    def wait(self):
        for thread in self.threads:
            while thread.is_alive():
                nap(0.1)
        return self.ends


@pytest.fixture
def crowd():
    """Return a crowd in virtual time."""
    with virtual_time():
        yield Crowd()
