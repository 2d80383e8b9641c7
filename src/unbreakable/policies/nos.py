"""A no, such as a 404, is an answer of the target: it was asked, and is well; and what that means for a race.

Whoever only reads, and is told no, need not wait for others that are late: they would be told the same.  What writes
may be told no since another attempt has done it, so there the others are waited for.
"""

from __future__ import annotations

import math
from typing import Any

from unbreakable.errors import Kind, ValidationFailed
from unbreakable.outcome import Failure, Result, Success, is_a
from unbreakable.policies.breaker import TIMES, is_answer, is_repeatable
from unbreakable.policies.full import is_late, says_full
from unbreakable.policies.policy import Context

READS = "none"  # the effects of what may be told the same by any attempt


def may_be_down(failure: Failure, ctx: Context) -> bool:
    """Return whether *failure* speaks against its target: it is no answer, and of a type that calls are repeated on.

    Other types, such as that of an item that is not there, do so where the target is too late, or full, or a call to
    it has failed inside.  A call that ``validate`` refuses has not even asked it.
    """
    if is_a(failure.error, ValidationFailed):
        return False
    if is_repeatable(failure.error, ctx):
        return not is_answer(failure)
    return (ctx.fails_inside and not is_answer(failure)) or is_late(failure) or says_full(failure)


def is_told_no(failure: Failure, ctx: Context) -> bool:
    """Return whether *failure* is an answer of its target: a no, or of a type that calls are not repeated on."""
    return not may_be_down(failure, ctx) and was_asked(failure)


def was_asked(failure: Failure) -> bool:
    """Return whether the target was asked, and answered."""
    return not (failure.cut or failure.refused or is_a(failure.error, ValidationFailed))


def speaks_of_no_trouble(no: Failure) -> bool:
    """Return whether a *no* says nothing against its target, as a 500 does that ``Retry.on`` leaves out."""
    return is_answer(no) or no.kind is Kind.UNKNOWN


# ── in a race ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Word(Success[Any]):
    """Hold a *no* that ends a race, as a success does."""

    __slots__ = ("no",)

    def __init__(self, no: Failure) -> None:
        super().__init__(None)
        self.no = no


def word(result: Result[Any], ctx: Context) -> Result[Any]:
    """Return the *result* of an attempt of *ctx*, as what ends a race if it is a no."""
    return Word(result) if isinstance(result, Failure) and is_last_word(result, ctx) else result


def said(result: Result[Any]) -> Result[Any]:
    """Return what a race has ended in as the result that it is."""
    return result.no if isinstance(result, Word) else result


def is_last_word(failure: Failure, ctx: Context) -> bool:
    """Return whether *failure* is a no that other attempts would be told, too: not where different ways race.

    What ``Retry.on`` leaves out is one unless it says of itself that the target is in trouble, as a 500 does.
    """
    return ctx.plan.effects == READS and ctx.race is None and is_told_no(failure, ctx) and speaks_of_no_trouble(failure)


def grace(ctx: Context) -> float:
    """Return how many seconds more a first copy has once another one was told no: all, where none was ever well."""
    usual: float | None = ctx.target.usual()
    return math.inf if usual is None else TIMES * usual
