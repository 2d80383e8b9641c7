"""The one door to time, dice, waiting and concurrency, as its drivers must offer it."""

from __future__ import annotations

import contextvars
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from unbreakable.runtime.watch import Alarm, Watched

T = TypeVar("T")

Step: TypeAlias = Callable[[], Awaitable[T]]


class Stopped(RuntimeError):
    """Stand for the StopIteration of the user's code that is its cause, and come out of coroutines as what it is.

    What else Python makes a RuntimeError of, as it comes out of a generator, is a mistake.
    """


class TimeUp(Exception):
    """Say that a step took longer than it was given; tells our own limit from a user's ``TimeoutError``."""


class Waiter(Protocol):
    """Somebody who waits for one thing; made by the runtime that will wait."""

    given: bool  #: whether what was waited for has been handed over

    def alive(self) -> bool:
        """Return whether anybody can still be woken: an event loop may have been closed over a wait."""

    def wake(self) -> None:
        """End the wait, from any thread or event loop; more than once is the same as once."""


class Beside(Protocol):
    """A step that goes on by itself."""

    @property
    def is_over(self) -> bool:
        """Return whether it has ended."""

    async def wait(self) -> Any:
        """Return what the step returns, or raise what it raises; it goes on, should the wait be cut."""

    async def gone(self) -> None:
        """Wait until the step has ended, however; once it is stopped, whoever is cancelled meanwhile waits on."""

    def stop(self) -> None:
        """Cancel the step, once."""

    def stop_soon(self) -> None:
        """Cancel the step, from any thread or event loop."""

    def when_over(self, tell: Callable[[], object]) -> None:
        """Let ``tell()`` be called when the step has ended."""


class Places(Protocol):
    """A number of places shared by threads and event loops alike."""

    most: int

    @property
    def inside(self) -> int:
        """Return how many places are taken."""

    def enter_nowait(self) -> bool:
        """Take a place if one is free."""

    async def enter(self, runtime: Runtime, seconds: float) -> bool:
        """Take a place, waiting at most *seconds* for it."""

    def leave(self) -> None:
        """Give the place back."""


@runtime_checkable
class Runtime(Protocol):
    """Everything that a script may ask of the world.

    ``now`` is monotonic seconds, ``wall`` the time of day in seconds since 1970, which may step, ``random`` is uniform
    in [0, 1), and ``entropy`` so many bytes for names that no other process gives.  ``preemptive`` says whether user
    code can be cut where it waits (asyncio) or only by leaving a thread behind (blocking).  An ``owner`` stands for one
    target: what hangs at one target must not take the threads that others need.
    """

    now: Callable[[], float]
    wall: Callable[[], float]
    random: Callable[[], float]
    entropy: Callable[[int], bytes]
    preemptive: bool

    def watch(self, alarm: Alarm) -> Watched:
        """Cut what *alarm* stands for when it is due, where the driver can, unless it was taken out of what returns."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a branch that lost its race is woken and stopped."""

    async def until_begun(self, is_ours: Callable[[contextvars.Context], bool], seconds: float) -> bool:
        """Wait, at most *seconds*, until what *is_ours* in the line for a thread has begun; return whether it has.

        It is told the context variables with which each piece of work will be done.
        """

    def others_at_work(self) -> bool:
        """Return whether there are other threads, in which something may be about to begin."""

    async def call(self, work: Callable[[], Any], owner: object = None) -> Any:
        """Run user code and return its value; refuse what nobody could await here.

        With an *owner*, what is cut or raced here can be left behind: on an event loop a plain function runs in a
        thread then.
        """

    async def within(
        self,
        seconds: float,
        step: Step[T],
        owner: object = None,
        respite: Callable[[], float] | None = None,
        deadline: float = math.inf,
    ) -> T:
        """Return what *step* returns, or raise TimeUp after *seconds*; the step is cut or left behind.

        Where it can be cut, ``respite`` is asked first for the moment until which it may go on nevertheless, and a
        step that goes on although it was cut is cut once more at the moment *deadline*.
        """

    def cancellations(self) -> int:
        """Return how many cancellations were asked of who runs, and not taken back; 0 where nothing is cancelled."""

    def forgive(self, errors: Iterable[BaseException]) -> None:
        """Let cancellations not count that were asked of who runs by what *errors* came out of, and by nobody else."""

    def tighten(self, owner: object, seconds: float) -> None:
        """Give the steps of *owner* that are under way at most *seconds* since they began, where they can be cut."""

    def ages(self, owner: object) -> list[float]:
        """Return for how many seconds each step of *owner* has been under way by now, where they can be cut."""

    async def first(self, *steps: Step[Any], owner: object = None) -> Any:
        """Run the steps at the same time and return the first Success; without one, what the first step returned.

        A step that returns None did not take part.  Losers are told to stop and not waited for.
        """

    def beside(self, step: Step[Any]) -> Beside:
        """Run *step* so that it goes on when who waits for it is cut; only where ``preemptive``."""

    def pursue(self, alarm: Alarm, step: Step[Any]) -> Beside | None:
        """Run *step* beside the work in flight that *alarm* stands for; None where there is none that could be cut."""

    def overtake(self, alarm: Alarm) -> None:
        """Cut the work in flight that *alarm* stands for, if it is: another one has won."""

    def waiter(self) -> Waiter:
        """Return something that can be waited for in this driver."""

    async def wait(self, waiter: Waiter, seconds: float) -> bool:
        """Return True as soon as *waiter* was woken, False after *seconds* without."""

    def background(self, work: Callable[[], None]) -> None:
        """Run *work*, which is short and never waits, soon and off the caller's way; if it fails, that is logged."""

    def gate(self, most: int) -> Places:
        """Return a gate with *most* places."""
