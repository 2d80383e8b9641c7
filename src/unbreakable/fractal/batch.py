"""What piled up at a target since it was last learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from unbreakable.fractal.aftermath import Aftermath, Fault
from unbreakable.fractal.pile import taken_from
from unbreakable.fractal.target import Detour, Repeat, Target
from unbreakable.stats import Lags, Quantile, Traffic
from unbreakable.stats.stretches import Course


class Batch(NamedTuple):
    """Hold what piled up since last time: seconds of attempts and calls, and how many calls failed.

    ``folded`` are successes, beyond those of ``ok``, that came too fast to be looked at one by one.
    """

    ok: list[float]
    quick: int  #: of those of ``ok``, how many succeeded at their first attempt
    folded: Quantile
    faults: list[Fault]
    cut: list[float]
    beside: list[float]
    beside_cut: list[float]
    sent: list[float]
    repeats: list[Repeat]
    calls: list[float]
    failed_calls: int
    at_once: list[float]  #: seconds of calls by arithmetic alone
    detours: list[Detour]
    lost: int  #: calls that failed, and not for being refused, nor by an answer such as a no
    limited: int  #: of those that were cut, how many a learned limit has cut
    answered: int  #: first attempts that were answered by a no
    answered_later: int  #: others that were
    answered_calls: int  #: calls that ended so
    in_vain: int  #: first attempts that failed in a way that calls are not repeated for any more

    def traffic(self, target: Target, now: float) -> Traffic:
        """Return the attempts as a statistic, together with what came after failures, and after slow ones."""
        traffic = Traffic()
        traffic.update(
            ok=self.ok,
            failed=[fault.seconds for fault in self.faults],
            cut=self.cut,
            beside=self.beside,
            beside_cut=self.beside_cut,
            sent=self.sent,
            near=[self.ok[min(fault.after, len(self.ok) - 1)] for fault in self.faults] if self.ok else (),
            repeats=len(self.repeats),
            repeats_failed=sum(failed for _, failed in self.repeats),
            answered=self.answered + self.answered_later,
            in_vain=self.in_vain,
        )
        traffic.ok.merge(self.folded)
        traffic.lags.merge(lags_of(target, self, now))
        if target.courses is None:
            target.courses = Course(0.9), Course(0.99)
        for course, stretches in zip(target.courses, (traffic.slow, traffic.late), strict=True):
            course.follow(stretches, self.ok, target.latency)
        return traffic

    @property
    def succeeded(self) -> int:
        """Return how many attempts succeeded."""
        return len(self.ok) + self.folded.count


def drain(target: Target) -> Batch:
    """Take what piled up."""
    first, (quick, detours, folded) = target.first_detours, target.take_successes()
    bad = target.counts.failed + target.counts.degraded
    target.bad_seen, new = bad, max(0, bad - target.bad_seen)
    lost, target.lost_seen = target.lost - target.lost_seen, target.lost
    limited, target.cuts_seen = target.cuts - target.cuts_seen, target.cuts
    with target.lock:
        answered, later, ended_so = target.answered, target.answered_later, target.answered_calls
        in_vain, target.in_vain = target.in_vain, 0
        target.answered = target.answered_later = target.answered_calls = 0
    return Batch(
        ok=in_order(quick, [(detour.after, detour.attempt) for detour in detours if not detour.beside]),
        quick=len(quick) + first,
        folded=folded,
        faults=[Fault(*each) for each in taken_from(target, "faults")],
        cut=taken_from(target, "ages"),
        beside=taken_from(target, "beside"),
        beside_cut=taken_from(target, "beside_cut"),
        sent=taken_from(target, "sent"),
        repeats=taken_from(target, "repeats"),
        calls=in_order(quick, [(detour.after, detour.call) for detour in detours]),
        failed_calls=new,
        limited=limited,
        at_once=quick,
        detours=detours,
        lost=lost,
        answered=answered,
        answered_later=later,
        answered_calls=ended_so,
        in_vain=in_vain,
    )


def lags_of(target: Target, batch: Batch, now: float) -> Lags:
    """Return how long after failures the attempts of *batch* began."""
    lags = Lags()
    if target.aftermath is None:
        target.aftermath = Aftermath()
    good, usual = batch.quick + batch.folded.count + batch.answered, target.forecast.p50 or 0.0
    repeats = [lag for lag, failed in batch.repeats if not failed]  # others are among the faults
    target.aftermath.follow(lags, batch.faults, good, target.circuit.relieved, now, usual, len(repeats))
    for lag in repeats:
        lags.update(lag)
    return lags


def in_order(quick: Sequence[float], others: Iterable[tuple[int, float]]) -> list[float]:
    """Return *quick* and *others*, each after so many of the quick ones, as they came: a drift is a matter of order.

    >>> in_order([0.1, 0.1, 0.1], [(1, 0.5), (3, 0.6)])
    [0.1, 0.5, 0.1, 0.1, 0.6]
    """
    merged, done = list[float](), 0
    for after, seconds in others:
        merged += quick[done:after]
        merged.append(seconds)
        done = max(done, after)
    return [*merged, *quick[done:]]
