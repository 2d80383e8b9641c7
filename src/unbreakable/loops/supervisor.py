"""A worker process is kept alive: started again whenever it dies, ended in good order when somebody asks for it.

The supervisor runs no code of the user's.  It holds the other end of the worker's standard input, the lifeline: a
worker whose input ends has lost its supervisor and ends itself (``follow``), so that none is left behind, however the
supervisor dies.  On the same way back a worker says that it is finished, that starting it again would be in vain, or
that it cannot be run as it is (``tell``).  One that ends without a word has died, whatever its exit code: an operation
may well call ``os._exit``.  So has one that was sent SIGTERM alone, as who needs memory does to the biggest process.
So has one that cannot be run though the program has run before: what it lacks, a server say, was there, and comes back.
Before SIGTERM comes a word on the lifeline: by that a worker whose program has a handler of its own hears of its end.
SIGTERM itself is not sent to a worker that has heard it like everybody, which a canary tells.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial

from unbreakable.loops.ahead import KEEPING, load_ahead
from unbreakable.loops.canary import Canary
from unbreakable.loops.claim import Claim
from unbreakable.loops.deputy import Deputy
from unbreakable.loops.doctor import DUMP, Doctor
from unbreakable.loops.library import SAID, load
from unbreakable.loops.memory import Memory
from unbreakable.loops.notice import Notice
from unbreakable.loops.notify import Notify
from unbreakable.loops.orphans import bury_orphans
from unbreakable.loops.page import opened
from unbreakable.loops.pulse import PULSE
from unbreakable.loops.report import Report
from unbreakable.loops.standing import Standing
from unbreakable.loops.terminal import Terminal
from unbreakable.loops.ward import END, GO, GRACE, Ward
from unbreakable.outcome import in_one_line
from unbreakable.policies import Backoff
from unbreakable.runtime import BLOCKING, ThreadsExhausted
from unbreakable.runtime.signals import ASKING, noted_signals

HANG_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
LIFELINE = 0  # the worker's standard input
LOOK_AGAIN = 0.05  # seconds between two looks whether somebody asks for the end
RESTART = Backoff(first=0.5, factor=2.0, most=30.0, jitter=False)
SPARE = 1.0  # seconds from the beginning of a worker that has ended nothing to making the next one ready
AT_ONCE = 3  # deaths in a row that cost no pause: a machine in trouble kills the next worker, too, and then it is over
STEADY = 60.0  # seconds of life after which a death counts as the first one again
PROVEN = 5  # iterations after which it does so, too
FINISHED, IN_VAIN, UNFIT, ASKED = b"finished", b"in vain", b"unfit", b"asked"  # a worker's last words
SOON = 0.3  # seconds within which the supervisor has heard, too, of what was sent to all processes
CODES = {FINISHED: 0, IN_VAIN: 2, UNFIT: 2}  # the exit code of the whole

_lifelines: list[socket.socket] = []  # a worker's one, under a number that no program knows and closes
_told: list[float] = []  # when words came to this worker, or no more could


class Supervisor:
    """Run *command* as a worker for ever; ``run`` returns the exit code of the whole.

    A worker whose event loop, or interpreter, stands still for *hang* seconds is replaced; 0.0 is for ever.  So is one
    that takes more than *memory* bytes, or, None, has grown to most of what there is.  *report* tells others of it.

    When it is killed a deputy goes on, which does *after_death* then, and ends when somebody claims *name*.
    """

    def __init__(
        self,
        command: Sequence[str],
        say: Callable[[str], None],
        hang: float = 0.0,
        *,
        memory: int | None = None,
        report: Report | None = None,
        name: str = "",
        after_death: Callable[[], object] = bool,
    ) -> None:
        self.command, self.say, self.hang, self.memory = command, say, hang, memory
        self.report = report or Report(Standing(), Notify({}))
        self.deaths = 0
        self._claim, self._terminal, self._after_death = Claim(name), Terminal(), after_death
        self._noted: list[int] = []
        self._hearing, self._beside = contextlib.ExitStack(), contextlib.ExitStack()
        self._deputy = Deputy(self._take_over, self._announce)
        self._ward: Ward | None = None
        self._canary: Canary | None = None
        self._spare: Ward | None = None
        self._spare_due = 0.0  # when to see to it that there is one
        self._has_lasted = False  # whether any worker has lived for long, with loops or without
        self._is_going = False  # whether the worker has ended an iteration,
        self._is_too_big = False  # and has to end for the memory that it takes, as the next one may have to

    def run(self) -> int:
        """Return 0 when the worker was finished or asked to end, 2 when to start it again, or at all, is in vain."""
        with self._hearing:
            noted = self._listen()
            try:
                while True:
                    code = self._have_one(noted)
                    if code is not None:
                        return code
            finally:
                self._deputy.dismiss()
                self._beside.close()
                self._dismiss_spare()

    def _listen(self) -> list[int]:
        """Return where signals are noted that ask for the end; who hangs up does, but where that is ignored."""
        numbers = (*ASKING, *HANG_UP) if _hears_who_hangs_up() else ASKING
        return self._hearing.enter_context(noted_signals(self._noted, numbers))

    def _take_over(self) -> None:
        """Go on in place of a supervisor that is dead, whose copy this process is."""
        if _hears_who_hangs_up():
            self._terminal.watch()
        self._listen()
        for ward in (self._ward, self._spare):
            if ward is not None:
                ward.adopt()
        if self._canary is not None:
            self._canary.adopt()
        self._claim.open()

    def _announce(self, dead: int) -> None:
        if self._ward is not None:  # what a copy knows of the time, and of the worker, may be old
            self.report.look(self._ward.pid, self._ward.page)
        with contextlib.suppress(ThreadsExhausted):  # then nobody answers about health, and all else goes on
            self._after_death()
        self.say(f"the supervisor, process {dead}, is dead; process {os.getpid()} goes on in its place")

    def _have_one(self, noted: Sequence[int]) -> int | None:
        """Have a worker from its start to its end; return the exit code if there is to be none after it."""
        began = BLOCKING.now()
        try:
            ward = self._spare_or_new()
        except OSError as error:  # no memory, no more processes: that passes
            self.deaths += 1
            return self._rest(f"cannot be started ({in_one_line(error)})", self.deaths, noted)
        with ward:
            ward.go()
            canary = self._new_canary()
            why = self._watch(ward, canary, noted)
            if noted:
                self._deputy.dismiss()
                self.report.ending()
                ward.ask_to_end(canary, noted)
                return self._end(ward)
            ward.sweep()
            words = ward.last_words()
        ended = 0 if ward.page is None else ward.page.count_ended()
        self.report.standing.has_started |= ended > 0  # though it died before anybody looked
        code = None if why else self._code(words, ward)
        if code is not None:
            return code
        if why is None and words == ASKED:
            if _hears(noted):
                return 0
            why = f"was sent a signal to end, and its supervisor, process {os.getpid()}, was not"
        lasted = BLOCKING.now() - began > STEADY
        self._has_lasted |= lasted
        is_proven = lasted or (ended >= PROVEN and not self._is_too_big)
        self.deaths = 1 if is_proven else self.deaths + 1
        return self._rest(why or ward.fate, max(0, self.deaths - AT_ONCE), noted)

    def _code(self, words: bytes, ward: Ward) -> int | None:
        """Return the exit code of the whole, where a worker's *words* are the last ones of all."""
        has_run = self._has_lasted or (ward.page is not None and self.report.standing.has_started)
        return None if words == UNFIT and has_run else CODES.get(words)

    def _watch(self, ward: Ward, canary: Canary, noted: Sequence[int]) -> str | None:
        """Return when the worker is gone, or somebody asks for the end; say why, where it was we who ended it."""
        why, doctor, memory = None, Doctor(ward.pid, ward.page), Memory(ward.pid, self.memory)
        with Notice(ward.pid) as death:
            while not noted:
                death.wait(doctor.nap())
                canary.renew()
                if not ward.is_alive:
                    break
                self.report.look(ward.pid, ward.page)
                self._have_spare(ward)
                self._look_around()
                why = why or self._end_if_it_must(ward, doctor, memory, canary)
        return why

    def _look_around(self) -> None:
        """See to it that there is a deputy; end for who was started in place of this one, or with the terminal."""
        bury_orphans({each.pid for each in (self._ward, self._spare, self._canary) if each is not None})
        if self._claim.is_made or self._terminal.is_closed:
            self._noted.append(signal.SIGTERM)
        else:
            self._deputy.look()

    def _end_if_it_must(self, ward: Ward, doctor: Doctor, memory: Memory, canary: Canary) -> str | None:
        """End a worker that hangs, at once, or that wishes it or grows, in good order; return why."""
        why = doctor.look()
        if why is not None:
            self.report.lose(f"the worker {why}")
            doctor.ask_where_it_stands()
            ward.kill()
            return why
        wish = "" if ward.page is None else ward.page.wish
        why = f"wants to be replaced: {wish}" if wish else memory.look()
        if not why:
            return None
        self._is_too_big = not wish
        self.report.lose(f"the worker {why}")
        ward.ask_to_end(canary, ())
        ward.ends(partial(self.report.lose, f"the worker {why}"))
        return why

    def _new_canary(self) -> Canary:
        """Have a canary beside a worker that goes on; that of the one before is buried now that there is time."""
        self._beside.close()
        self._canary = self._beside.enter_context(Canary(self.command))
        return self._canary

    def _spare_or_new(self) -> Ward:
        self._spare_due, self._is_going, self._is_too_big = BLOCKING.now() + SPARE, False, False
        spare = self._spare
        if spare is not None and (spare.is_alive or spare.last_words()):  # a supervisor that is dead had let it go
            self._ward, self._spare = spare, None  # as the deputy would find it, too, which knows both
        else:
            self._dismiss_spare()
            self._ward = Ward(self.command, self.hang)
            self._deputy.renew()
        return self._ward

    def _have_spare(self, ward: Ward) -> None:
        """Have a worker stand by that has the library loaded, once the one that is at work has got going."""
        if not self._is_going and ward.page is not None and ward.page.count_ended():
            self._is_going, self._spare_due = True, 0.0
        if BLOCKING.now() < self._spare_due:
            return
        self._spare_due = BLOCKING.now() + SPARE
        if self._spare is None or not self._spare.is_alive:
            self._dismiss_spare()
            with contextlib.suppress(OSError):  # no memory, no more processes: one can do without
                self._spare = Ward(self.command, self.hang, "" if ward.page is None else ward.page.known)
                self._deputy.renew()

    def _dismiss_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            with spare:
                spare.kill()
                spare.ends()
                spare.sweep()

    def _rest(self, what: str, step: int, noted: Sequence[int]) -> int | None:
        """Say *what* the worker has come to, and wait; return 0 when somebody asks for the end meanwhile."""
        pause = RESTART.pause(step, 0.0) if step else 0.0
        self.report.standing.look(0, 0, int)  # there is none
        self.report.lose(f"the worker {what}")
        self.say(f"the worker {what}; it is started again {f'in {pause:g} s' if step else 'at once'}")
        self.report.standing.restarts += 1
        end = BLOCKING.now() + pause
        while BLOCKING.now() < end and not noted:
            self.report.lose(f"the worker {what}")
            self._look_around()
            BLOCKING.world.sleep(LOOK_AGAIN)
        return 0 if noted else None

    def _end(self, ward: Ward) -> int:
        if not ward.ends():
            self.say(f"the worker did not end within {GRACE:g} s and is killed; what it had begun is in its state")
        ward.sweep()
        return 0


def _hears(noted: Sequence[int]) -> bool:
    """Return whether somebody asks this process, too, for the end that its worker was asked for."""
    end = BLOCKING.now() + SOON
    while not noted and BLOCKING.now() < end:
        BLOCKING.world.sleep(LOOK_AGAIN)
    return bool(noted)


def _hears_who_hangs_up() -> bool:
    return any(signal.getsignal(number) is signal.SIG_DFL for number in HANG_UP)


def wait_for_word() -> None:
    """Wait until the supervisor of this worker lets it begin; end when there is none any more.

    Who has to wait uses the time to load what the first failure needs, what keeps state in a file, and what the worker
    before has loaded of Python's own library.
    """
    known = os.environ.pop(SAID, "")
    with socket.socket(fileno=os.dup(LIFELINE)) as lifeline:
        if not _has_word(lifeline):
            load_ahead(*KEEPING)
            load(known.split())
        word, descriptors = _first_word(lifeline)
    for descriptor in descriptors:
        page = opened(descriptor)
        if page is not None:
            PULSE.show_on(page)
    if word != GO:
        sys.exit(1)


def _first_word(lifeline: socket.socket) -> tuple[bytes, list[int]]:
    with contextlib.suppress(KeyboardInterrupt):  # for everybody: the supervisor has heard it, too
        word, descriptors, _, _ = socket.recv_fds(lifeline, 1, 1)
        return word, descriptors
    return END, []


def follow() -> None:
    """End this process, as SIGTERM does and if need be at once, when its supervisor is gone."""
    if DUMP is not None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # standard error may be closed
            faulthandler.register(DUMP, all_threads=True)
    lifeline = socket.socket(fileno=os.dup(LIFELINE))  # not sys.stdin, whose lock must be free when all ends
    _lifelines.append(lifeline)

    def wait() -> None:
        with contextlib.suppress(OSError):
            while _has_news(lifeline) and (word := lifeline.recv(1, socket.MSG_PEEK)):
                if word != GO:  # which a deputy sends once more, who cannot know that it was sent
                    _told.append(BLOCKING.now())  # before it is taken away: who looks then finds one or the other
                lifeline.recv(1)
        _told.append(BLOCKING.now())
        os.kill(os.getpid(), signal.SIGTERM)
        BLOCKING.world.sleep(GRACE)
        os._exit(1)

    BLOCKING.world.spawn(wait, "unbreakable follower")


def told_to_end(patience: float = 0.0) -> bool:
    """Return whether the supervisor of this worker wants its end, or is gone, within so many seconds."""
    end = BLOCKING.now() + patience
    while not (told := any(map(_is_told, _lifelines)) or bool(_told)) and BLOCKING.now() < end:
        BLOCKING.world.sleep(LOOK_AGAIN)
    return told


def told_at() -> float | None:
    """Return the moment from which on the supervisor waits for the end of this worker, if it is known yet."""
    return next(iter(_told), None)


def tell(words: bytes) -> None:
    """Say to the supervisor how this worker ends: FINISHED, IN_VAIN, UNFIT, or ASKED, by a signal that came to it.

    Who was told to end says nothing: of one that is to be replaced a deputy does not know that.
    """
    if told_to_end():
        return
    with contextlib.suppress(OSError):  # it is gone: then ``follow`` ends us
        os.write(LIFELINE, words)


def _has_news(lifeline: socket.socket) -> bool:
    """Return when there is something to read; meanwhile, show again and again that this thread has its turn."""
    poll = select.poll()  # select itself knows no descriptors beyond 1,023
    poll.register(lifeline, select.POLLIN)
    while True:
        pause = PULSE.beat()
        if poll.poll(None if pause is None else pause * 1_000):
            return True


def _has_word(lifeline: socket.socket) -> bool:
    return _next_word(lifeline) is not None


def _is_told(lifeline: socket.socket) -> bool:
    return _next_word(lifeline) not in (None, GO)


def _next_word(lifeline: socket.socket) -> bytes | None:
    """Return what there is to read, nothing at its end, which is news, too; None if there is no news."""
    with contextlib.suppress(OSError):
        return lifeline.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return None
