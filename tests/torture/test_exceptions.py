"""The user's exceptions stay the user's, however odd they are."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, Rejected


def raising(error):
    async def work():
        raise error

    return work


def in_vain(colour, error, **options):
    """Return what a protected call raises whose operation always raises *error*."""

    async def story():
        try:
            await colour.call(colour.protect(raising(error), **options))
        except BaseException as raised:
            return raised

    return colour.play(story)


@pytest.mark.parametrize("options", [{}, {"timeout": ub.Timeout(5.0)}, {"retry": False}])
def test_a_users_timeout_error_stays_theirs(colour, options):
    """What the operation raises is raised, even if it looks like a timeout of ours."""
    mine = TimeoutError("mine")

    raised = in_vain(colour, mine, **options)

    assert mine is raised
    assert not isinstance(raised, AttemptTimeout)


def test_the_story_is_told_in_a_note(colour):
    """The user's exception says what was tried, in one note."""
    raised = in_vain(colour, ConnectionError("down"))

    (note,) = raised.__notes__
    assert note.startswith("unbreakable: target failed after 3 attempts in 2.000 s")


def test_notes_do_not_pile_up_on_an_exception_that_is_raised_again_and_again(colour):
    """The same instance, raised for ever, carries one note a node, and one of its fallback's."""
    same = ConnectionError("the one and only")
    falls = iter(range(1000))

    def fallback(failure):
        raise ValueError(f"no answer {next(falls)}")

    async def story():
        bare = colour.protect(raising(same), breaker=False)
        guarded = colour.protect(raising(same), breaker=False, fallback=fallback)
        for _ in range(20):
            for door in (bare, guarded):
                with pytest.raises(ConnectionError):
                    await colour.call(door)
        return len(same.__notes__)

    assert 2 == colour.play(story)


def test_the_same_instance_does_not_confuse_retries(colour):
    """Every call makes its own three attempts, whoever raised the same exception before."""
    same, calls = ConnectionError("the one and only"), []

    async def work():
        calls.append(1)
        raise same

    async def story():
        door = colour.protect(work, breaker=False)
        outcomes = [await colour.call(door.outcome) for _ in range(3)]
        return [outcome.attempts for outcome in outcomes]

    assert [3, 3, 3] == colour.play(story)
    assert 9 == len(calls)


class Mute(Exception):
    """An exception that cannot be printed."""

    def __str__(self):
        raise RuntimeError("I do not speak")

    __repr__ = __str__


class Hostile(Exception):
    """An exception that raises whatever it is asked for."""

    def __getattr__(self, name):
        raise RuntimeError(f"do not ask me for {name}")


class Locked(Exception):
    """An exception that takes no notes."""

    def __setattr__(self, name, value):
        raise RuntimeError("read only")


class Falsy(Exception):
    """An exception that counts as false."""

    def __bool__(self):
        raise RuntimeError("neither true nor false")


@pytest.mark.parametrize("kind", [Mute, Hostile, Locked, Falsy])
def test_an_odd_exception_is_handled_like_any_other(colour, kind):
    """An exception that misbehaves itself is retried, explained, and raised as it is."""
    odd = kind("odd")
    Exception.__setattr__(odd, "__cause__", kind("the cause"))
    heard = []

    async def story():
        door = colour.protect(raising(odd), breaker=False)
        door.node.on(ub.events.Event, heard.append)
        outcome = await colour.call(door.outcome)
        with pytest.raises(kind) as caught:
            await colour.call(door)
        return outcome, caught.value

    outcome, raised = colour.play(story)

    assert odd is raised is outcome.error
    assert 3 == outcome.attempts
    assert "target failed: 3 attempts" in outcome.explain()
    assert outcome.to_dict()["error"]
    assert 6 == sum(isinstance(event, ub.events.AttemptFailed) for event in heard)


def test_an_exception_with_an_endless_chain_is_handled(colour):
    """Causes that run in a circle are followed once round."""
    first, second = ConnectionError("first"), ConnectionError("second")
    first.__cause__, second.__cause__ = second, first

    assert first is in_vain(colour, first)


def test_a_group_of_exceptions_is_handed_on_whole(colour):
    """An ExceptionGroup is one failure; the remedy for what is in it applies."""
    healed = []

    async def story():
        answers = [ExceptionGroup("several", [PermissionError("401"), ValueError("x")])]

        async def work():
            if answers:
                raise answers.pop()
            return "in"

        door = colour.protect(work)
        door.remedy(PermissionError)(lambda failure: healed.append(failure.kind))
        return await colour.call(door)

    assert "in" == colour.play(story)
    assert 1 == len(healed)


def test_stop_iteration_of_a_plain_function_is_handed_on():
    """What Python turns into a RuntimeError inside coroutines reaches the caller as it was raised."""
    calls = []

    @ub.protect("stops", retry=ub.Retry(2, backoff=ub.Backoff(0.0)), breaker=False)
    def stops():
        calls.append(1)
        return next(iter(()))

    with pytest.raises(StopIteration):
        stops()

    assert isinstance(stops.outcome().error, StopIteration)
    assert 2 == len(calls)  # it is an answer, and not repeated


class Left(BaseException):
    """Somebody pulled the plug."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Left])
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_what_is_not_an_exception_passes_at_once_and_gives_everything_back(colour, kind, form):
    """A BaseException is neither retried nor counted, and leaves neither place nor permit behind."""
    calls = []

    async def work():
        calls.append(1)
        raise kind

    async def story():
        door = colour.protect(work, bulkhead=ub.Bulkhead(1), breaker=ub.CircuitBreaker(1), fallback=lambda failure: 0)
        with pytest.raises(kind):
            await colour.call(door if form == "plain" else door.outcome)
        status = door.node.get_status()
        return status.in_flight, status.total_executions, status.breaker, ub.current()

    assert (0, 0, "closed", None) == colour.play(story)
    assert [1] == calls


def test_what_validate_verify_and_fallback_raise_is_not_taken_for_the_operations(colour):
    """Whatever raises around the operation, the outcome says what happened and nothing escapes."""

    def boom(*_):
        raise ZeroDivisionError("boom")

    async def fine():
        return 1

    async def story():
        refused = await colour.call(colour.protect(fine, validate=boom).outcome)
        unverified = await colour.call(colour.protect(fine, verify=boom).outcome)
        fallen = await colour.call(colour.protect(raising(OSError("mine")), fallback=boom).outcome)
        return [type(outcome.error).__name__ for outcome in (refused, unverified, fallen)]

    assert ["ValidationFailed", "VerificationFailed", "OSError"] == colour.play(story)


def test_a_listener_that_raises_harms_no_call_and_is_heard_once(colour, caplog):
    """A bad listener is dropped with an event; the others go on, the call does not notice."""
    heard = []

    def bad(event):
        heard.append("bad")
        raise RuntimeError("listener")

    async def fine():
        return 7

    async def story():
        door = colour.protect(fine)
        door.node.on(ub.events.Succeeded, bad)
        door.node.on(ub.events.Event, lambda event: heard.append(type(event).__name__))
        return [await colour.call(door) for _ in range(2)]

    assert [7, 7] == colour.play(story)
    assert ["bad", "ListenerFailed", "Succeeded", "Succeeded"] == heard


def test_a_listener_that_is_interrupted_does_not_free_a_place_twice(colour):
    """An interrupt in a listener passes; the place it was told about is given back once."""

    def interrupted(event):
        raise Left

    async def fine():
        return 7

    async def story():
        door = colour.protect(fine, bulkhead=ub.Bulkhead(2))
        door.node.on(ub.events.Succeeded, interrupted)
        assert door.node.target.gate.enter_nowait()  # somebody else is in flight
        with pytest.raises(Left):
            await colour.call(door)
        return door.node.get_status().in_flight

    assert 1 == colour.play(story)


def test_a_refusal_of_ours_is_told_from_a_failure_of_theirs(colour):
    """Everything that we raise because we did not call is a Rejected, and nothing else is."""

    async def story():
        door = colour.protect(raising(OSError()), retry=False, breaker=ub.CircuitBreaker(1))
        first, second = await colour.call(door.outcome), await colour.call(door.outcome)
        return isinstance(first.error, Rejected), isinstance(second.error, Rejected)

    assert (False, True) == colour.play(story)
