"""All periodic tasks of a program, made and ended together."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from unbreakable.fractal import FractalNode
from unbreakable.fractal.operation import Operation, qualified_name
from unbreakable.loops.control import Missed, Overlap
from unbreakable.loops.ending import end, end_sync
from unbreakable.loops.isolation import Isolation
from unbreakable.loops.life import Life
from unbreakable.loops.loop import QuantumLoop
from unbreakable.loops.loop_group import LoopGroup, Together
from unbreakable.loops.restarts import RESTARTS
from unbreakable.loops.schedule import EARLY
from unbreakable.loops.status import EngineStatus, LoopState
from unbreakable.loops.timing import USUAL, timing
from unbreakable.loops.work import Work
from unbreakable.policies import Backoff, Retry, check
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, run_blocking
from unbreakable.runtime.mark import running_event_loop
from unbreakable.runtime.signals import noted_signals
from unbreakable.storage.turn import refuse_to_wait

if TYPE_CHECKING:
    from unbreakable.loops.keeper import Keeper
    from unbreakable.loops.shelf import Shelf

# How often run() looks whether a signal came: a signal's handler can safely do no more than note it.
LOOK_AGAIN = 0.1


class QuantumLoopEngine(Closing):
    """Make loops, run them, and end them all within a bound.

    *state* is the path of a file, or of a folder, in which loops are kept, or its URL (``sqlite:///loops.db``): what
    they have in ``ctx.state`` and where they stand survives the process.  None keeps them in memory.

    >>> engine = QuantumLoopEngine()
    >>> loop = engine.create_loop(lambda: None, name="tidy", interval=0, max_iterations=3)
    >>> loop.start(); loop.wait_sync()
    >>> loop.get_status().current_iteration
    3
    """

    def __init__(self, state: str | os.PathLike[str] | None = None) -> None:
        self._shelf = None if state is None else _shelf_at(state)
        self.state = None if self._shelf is None else self._shelf.path  #: where its loops are kept
        self.welcome: Callable[[QuantumLoop], None] | None = None  #: is told each loop as it is made
        self.is_closed = False  #: whether it was closed, and nothing was made since
        self._loops: dict[str, QuantumLoop] = {}
        self._groups: dict[str, LoopGroup] = {}
        self._news = BLOCKING.waiter()

    def create_loop(
        self,
        operation: Operation[Any],
        *,
        name: str | None = None,
        interval: float = USUAL,
        schedule: str | None = None,
        max_iterations: float | None = None,
        quantum_mode: bool = True,
        effects: Effects = "unknown",
        deadline: float | None = None,
        overlap: Overlap = "skip",
        missed: Missed = "skip",
        jitter: float = 0.0,
        isolation: Isolation = "inline",
        durability: Literal["none", "process", "durable"] | None = None,
        on_survival: Operation[Any] | None = None,
        group: LoopGroup | None = None,
    ) -> QuantumLoop:
        """Return a new loop that will run *operation*, which takes the context or nothing, every *interval* seconds.

        An interval of 0 is at once, again and again; *max_iterations* None or ``math.inf`` is for ever; *effects* and
        *deadline* (seconds for one iteration) are those of ``protect``.  Without a *name* it has the operation's.
        The context has the iteration's ``tick`` and number, ``iteration``; what the operation writes in the dictionary
        ``state`` it finds there in the next one: it is copied after each good iteration, and should be small.

        *isolation* says where the operation runs, and so what a deadline does about one that hangs:

        ========== =================================================================================================
        "inline"   in the loop itself: an async one is cancelled, and left behind if it does not heed that within a
                   tenth of the deadline (0.05 s to 1 s); a plain one has to look at ``ub.current().remaining()``
        "thread"   in a thread of its own, an async one on an event loop there: it is left behind
        "process"  in a process of its own, which is killed, with what it has started, and replaced; it must be a
                   function at the top of a module, or a partial of one, and its state is sent there and back
        ========== =================================================================================================

        When this program itself is killed, such a process ends with it; what that has started may outlive both.

        A loop that fails is healed rung by rung, see ``unbreakable.loops.ladder``.  In *quantum_mode* it
        has three execution paths, each with its own learned settings and worker, and goes from one that fails to the
        next.  In survival mode *on_survival*, if given, takes turns with probes of the operation.

        A tick that comes due while an iteration is in progress is skipped, or, by *overlap*, waits for its turn: one of
        them ("buffer_one"), or up to 1,000 ("buffer_all"); or the iteration makes room for it: it is cut as by its
        deadline ("cancel_other"), or without time to clean up ("terminate_other"); or up to 100 go on beside each other
        ("allow_all"), each with paths and workers of its own, all with one state.  Ticks that came due when nobody was
        awake (the machine was suspended, the event loop blocked) are *missed*, but for the latest, which runs late:
        "skip" and "run_once_now" do no more, "replay_all" runs the latest 1,000 of them one after the other.  Each tick
        is later than its place on the grid by its own share of *jitter* seconds, always the same for the same name and
        number.

        A *schedule* in place of the interval is a cron expression of five fields, or six with seconds in front, in the
        machine's time zone or that of a ``CRON_TZ=Europe/Berlin`` before it, or ``@hourly``, ``@daily`` and the like.
        A tick that nobody was awake for is skipped when it is more than 60 s late, unless *missed* says otherwise.

        *durability* "process" keeps the loop in the engine's state file so that it survives the death of the process,
        "durable" also a power cut, "none" not at all; None is "process" where the engine has a *state*.  A process that
        is started again goes on where the earlier one was: with the state as of its latest good iteration, with the
        same ticks, those in between being missed, and with what is left of *max_iterations*.  A tick whose iteration
        the process did not survive is interrupted, and not run again.

        In a *group*, which ``create_group`` makes, the loop comes after those that are in it.
        Raises ConfigurationError, which names the setting, what was expected and what was found.
        """
        when = timing(interval, schedule, jitter, overlap, missed)
        check.switch("quantum_mode", quantum_mode)
        self._check_group("group", group)
        name = self._free_name(operation) if name is None else self._checked_name(name)

        node = node_for(name, effects, deadline, when.interval)
        how: dict[str, Any] = {"isolation": isolation, "quantum_mode": quantum_mode, "on_survival": on_survival}
        work = Work(operation, node, when.interval, **how)
        loop = QuantumLoop(
            work,
            name=name,
            timing=when,
            max_iterations=checked_iterations(max_iterations),
            ended=self._tell,
            let_go=self._let_go,
            keeper=self._new_keeper(name, durability),
        )
        if group is not None:
            group.add(loop, work)
        self._keep(loop)
        return loop

    def create_group(
        self,
        name: str,
        *,
        strategy: Together = "one_for_one",
        max_restarts: int = 5,
        max_seconds: float = 60.0,
        parent: LoopGroup | None = None,
    ) -> LoopGroup:
        """Return a new group, for loops that belong together: ``create_loop(…, group=group)``.

        A loop is restarted when its healing ladder refreshes it, or its worker has died, or hung and was killed.  By
        *strategy* nobody else is then ("one_for_one"), or all loops of the group are ("one_for_all"), or those that
        were made after it ("rest_for_one"): what they have in progress is cut and interrupted, their execution paths
        are made anew, and their state is that of the latest good iteration.

        More than *max_restarts* within *max_seconds* are too many, as for a supervisor of OTP: then the group itself
        has failed.  Within a *parent* it is restarted as one of that, where it has its place after what was made
        before it.  Else the group survives: all of its loops are in survival mode, and each is for itself, until each
        has shown by three good iterations in a row that it is well.  No loop is ever stopped by this.
        """
        if not isinstance(name, str) or not name or name in self._groups:
            raise refuse("name", "a text that names the group, and no other of this engine", name)
        self._check_group("parent", parent)
        group = self._groups[name] = LoopGroup(name, strategy, max_restarts, max_seconds, parent)
        return group

    def run(self, grace: float = 10.0) -> None:
        """Start the loops that are new, and block until all have ended or SIGTERM or SIGINT comes.

        Then iterations in progress have *grace* seconds; a second signal means what it means without us.
        """
        self.run_until_asked()
        self.aclose_sync(grace)

    def run_until_asked(self) -> None:
        """Start the loops that are new, and block until all have ended or SIGTERM or SIGINT comes; stop nothing."""
        self.refuse_to_run()
        with noted_signals() as noted:
            for loop in self._all():
                if loop.state is LoopState.NEW:
                    loop.start()
            while not noted and self._are_running():
                run_blocking(BLOCKING.wait(self._news, LOOK_AGAIN))

    async def aclose(self, grace: float = 10.0) -> None:
        """Stop all loops at the same time, as ``stop`` does."""
        self.is_closed = True
        await end(self._lives(), ASYNCIO, grace)

    def aclose_sync(self, grace: float = 10.0) -> None:
        """Do the same as ``aclose`` in plain code."""
        self.refuse_to_block()
        self.is_closed = True
        end_sync(self._lives(), grace)

    def refuse_to_run(self) -> None:
        """Raise RuntimeError in async code, where ``run`` would block, and else as ``QuantumLoop.wait_sync`` does."""
        if running_event_loop() is not None:
            raise RuntimeError("run() would block the event loop: start the loops and wait for them instead")
        if any(life.waits_for(BLOCKING) for life in self._lives()):
            raise RuntimeError("run() is called by a loop of this engine: it cannot wait for its own end")
        refuse_to_wait("the end of all loops")

    def refuse_to_block(self) -> None:
        """Raise RuntimeError if waiting in this thread would block one of the loops."""
        for loop in self._all():
            loop.refuse_to_block()

    def get_status(self) -> EngineStatus:
        """Return how all loops are doing at this moment."""
        loops = tuple(loop.get_status() for loop in self._all())
        return EngineStatus(
            total_loops=len(loops),
            active_loops=sum(loop.is_running for loop in loops),
            stuck_loops=sum(loop.is_stuck for loop in loops),
            restarts=RESTARTS.get_status(),
            loops=loops,
            groups=tuple(group.get_status() for group in list(self._groups.values())),
        )

    def get_loops(self) -> tuple[QuantumLoop, ...]:
        """Return the loops there are, in the order in which they were made."""
        return tuple(self._all())

    def _new_keeper(self, name: str, durability: Literal["none", "process", "durable"] | None) -> Keeper | None:
        if durability not in (None, "none", "process", "durable"):
            raise refuse("durability", 'None, "none", "process" or "durable"', durability)
        if durability == "none" or (durability is None and self._shelf is None):
            return None
        if self._shelf is None:
            expected = '"none", or a place to keep the loop in: give QuantumLoopEngine(state="path/of/file")'
            raise refuse("durability", expected, durability)
        from unbreakable.loops.keeper import Keeper

        return Keeper(self._shelf, name, durability or "process")

    def _check_group(self, what: str, group: LoopGroup | None) -> None:
        if group is not None and group not in self._groups.values():
            raise refuse(what, "a group that create_group of this engine has made, or None", group)

    def _keep(self, loop: QuantumLoop) -> None:
        self._loops[loop.name], self.is_closed = loop, False
        if self.welcome is not None:
            self.welcome(loop)
        if _watcher is not None:
            _watcher(self)

    def _all(self) -> list[QuantumLoop]:
        return list(self._loops.values())

    def _lives(self) -> list[Life]:
        return [loop.life for loop in self._all() if loop.life is not None]

    def _are_running(self) -> bool:
        self._news = BLOCKING.waiter()
        return any(loop.is_running for loop in self._all())

    def _tell(self) -> None:
        self._news.wake()

    def _let_go(self, name: str) -> None:
        self._loops.pop(name, None)

    def _checked_name(self, name: object) -> str:
        if not isinstance(name, str) or not name:
            raise refuse("name", "a text that names the loop", name)
        if name in self._loops:
            raise refuse("name", "one that no other loop of this engine has", name)
        return name

    def _free_name(self, operation: object) -> str:
        name = qualified_name(operation).rpartition(".")[2]
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        return name if name not in self._loops else next(each for each in numbered if each not in self._loops)


_watcher: Callable[[QuantumLoopEngine], None] | None = None


def watch_engines(watcher: Callable[[QuantumLoopEngine], None] | None) -> None:
    """Let *watcher* know every engine of this process that a loop is made in, each time; None: nobody."""
    global _watcher  # noqa: PLW0603 - one command per process
    _watcher = watcher


def retry_within(interval: float) -> Retry:
    """Return how the operation of a loop is repeated: the next tick is the repeat that costs no wait.

    So no pause is longer than the *interval*, and the first one half as long; a loop without one keeps what is usual.
    """
    usual = Retry()
    if not EARLY < interval < 2 * usual.backoff.first:
        return usual
    return Retry(backoff=Backoff(interval / 2, most=interval))


def node_for(name: str, effects: Effects, deadline: float | None, interval: float) -> FractalNode:
    """Return what runs the iterations of a loop.

    Without a circuit: a loop that rests between its ticks is the probe that a circuit would wait for.
    Without a hedge: nobody waits for an iteration, and two copies at once would write in one state.
    """
    return FractalNode(
        name, effects=effects, deadline=deadline, breaker=False, hedge=False, retry=retry_within(interval)
    )


def _shelf_at(state: str | os.PathLike[str]) -> Shelf:
    """Return where loops are kept; what that takes is loaded only for those who want it."""
    from unbreakable.loops.shelf import shelf_at

    return shelf_at(state)


def checked_iterations(most: object) -> float:
    """Return how many iterations a loop is to have at most; ConfigurationError for what says no such thing."""
    if most is None or most == math.inf:
        return math.inf
    whole = isinstance(most, int) or (isinstance(most, float) and most.is_integer())
    if not (whole and check.is_number(most)) or most < 1:  # type: ignore[operator]
        raise refuse("max_iterations", "a whole number from 1 up, None or math.inf", most)
    return float(most)  # type: ignore[arg-type]
