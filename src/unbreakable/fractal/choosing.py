"""Which remedy is tried against a failure, if any."""

from __future__ import annotations

from collections.abc import Callable

from unbreakable.fractal.cases import name_of, until_final
from unbreakable.fractal.episode import Episode
from unbreakable.fractal.experience import Experience
from unbreakable.fractal.methods import remedies_of
from unbreakable.fractal.remedies import Remedy
from unbreakable.fractal.signature import is_named, root_cause, sign
from unbreakable.fractal.turn import Turn
from unbreakable.outcome import Failure, in_one_line
from unbreakable.policies import Context
from unbreakable.policies.breaker import is_on_trial, rests_until, was_probe
from unbreakable.policies.effects import may_repeat


def choose(ctx: Context, failure: Failure, episode: Episode) -> Remedy | None:
    """Return the remedy that is most likely to work for *failure*; None is waiting, or doing nothing."""
    if failure.refused or ctx.left() <= 0:
        return None  # our own refusal is nothing that a remedy for the target's errors should see
    with ctx.notebook.doing("heal.fix.recall"):
        candidates = candidates_for(failure, ctx, ctx.notebook.tell)
        tried = episode.failed(failure, candidates)
    with ctx.notebook.doing("heal.fix.choose"):
        if not candidates:
            return None
        experience: Experience = ctx.target.experience
        dice, retry = ctx.runtime.random, ctx.plan.retry
        can_wait = retry is not None and retry.wants(failure, remedied=False, named=is_named(failure, retry.on))
        is_judged = may_repeat(ctx.plan.effects, failure) and not (is_shut_out(ctx) or is_on_trial(ctx, ctx.stamp))
        signature, looks = failure.signature, episode.looks.get(failure.signature)
        if looks is None and any(each.turn.was_cut_too_soon(ctx.left()) for each in candidates):
            looks = True  # others may have had too little time for it
        choice = experience.choose(
            signature, candidates, dice, tried, can_wait=can_wait, is_judged=is_judged, looks=looks
        )
        episode.looks[signature] = choice.looks
        ctx.notebook.tell(f"chose {name_of(choice.remedy) if choice.remedy or can_wait else 'nothing'}: {choice.why}")
        return choice.remedy


def why_give_up(ctx: Context, failure: Failure, remedy: Remedy | None, episode: Episode) -> str | None:
    """Return why a repeat that could be made is not; None when it is."""
    if remedy is not None and remedy.final:
        return f"{remedy.name} is the remedy for this"
    if failure.refused or is_on_trial(ctx, ctx.stamp) or episode.is_in_the_middle(failure.signature):
        return None
    experience: Experience = ctx.target.experience
    given_up = experience.gives_up(failure.signature, episode.candidates, ctx.target.successes_of_all)
    if given_up is False and remedy is not None:
        episode.looks[failure.signature] = True
    return "no repeat has helped against this, call after call" if given_up else None


def is_shut_out(ctx: Context) -> bool:
    """Return whether the circuit lets no attempt of the call through any more: what is applied is for the next one.

    So it is for a probe that has failed, which others follow even if it may wait for the rest to end.  Were it to wait,
    or to do without what was in vain in the outage, the target would stay unmended for as long as that takes to be
    tried again: one call in twenty, of one in each rest.
    """
    circuit = ctx.target.circuit
    waits = circuit.settings.wait - ctx.waited
    return was_probe(ctx) or bool(rests_until(circuit, min(ctx.deadline, ctx.runtime.now() + waits)))


def is_mendable(failure: Failure, ctx: Context) -> bool:
    """Return whether a remedy that can be trusted is going to be applied for *failure*, and followed by an attempt.

    A probe has to trust what changes its own attempts, such as another endpoint: it was in vain in the outage, and no
    other call is the better for it.
    """
    retry = ctx.plan.retry
    if not remedies_of(ctx) or retry is None or not retry.wants(failure, remedied=True) or ctx.left() <= 0:
        return False
    if not (may_repeat(ctx.plan.effects, failure) and (ctx.prepaid or ctx.node.may_pay(ctx))):
        return False
    failure = failure.but(signature=sign(failure.error), cause=root_cause(failure.error))
    trusts, (candidates, _) = ctx.target.experience.trusts, until_final(candidates_for(failure, ctx), {})
    probes = is_on_trial(ctx, ctx.stamp)
    found = [remedy for remedy in candidates if remedy.apply is not None or remedy.changes_call]
    return any((probes and remedy.changes_call) or trusts(failure.signature, remedy) for remedy in found)


def candidates_for(failure: Failure, ctx: Context, tell: Callable[[str], None] | None = None) -> list[Remedy]:
    """Return the remedies that are meant for *failure*; a predicate that raises means no, and is told."""
    found, busy = [], mending(ctx)
    for remedy in remedies_of(ctx):
        try:
            if remedy.turn not in busy and remedy.matches(failure):
                found.append(remedy)
        except Exception as error:
            if tell is not None:
                tell(f"asking whether {remedy.name} is for this failed: {in_one_line(error)}")
    return found


def mending(ctx: Context) -> set[Turn]:
    """Return the turns of remedies at work in the calls around this one: a remedy is not healed by itself."""
    found, scope = set(), ctx.parent
    while scope is not None:
        if scope.mending is not None:
            found.add(scope.mending)
        scope = scope.parent
    return found
