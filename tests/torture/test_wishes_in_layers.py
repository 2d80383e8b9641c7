"""What a target wishes, or the layer below has found out, is heeded by those whom it concerns, and by nobody else."""

from __future__ import annotations

import pytest
from tests.handing_on import as_it_is, from_it, hiding_it, in_its_place

import unbreakable as ub


class Never(ConnectionError):
    """What a target raises that is not to be asked again."""

    status_code, headers = 503, {"x-should-retry": "false"}


class Later(ConnectionError):
    """What a target raises that is to be asked again when the layer right above it has no time left."""

    status_code, headers = 503, {"retry-after": "20"}


@pytest.mark.parametrize("layer", [as_it_is, from_it, in_its_place, hiding_it])
@pytest.mark.parametrize(("error", "moments"), [(Never, [0.0]), (Later, [0.0, 20.0, 40.0])])
def test_a_wish_is_kept_by_every_layer(colour, layer, error, moments):
    """A repeat that a target forbade, or wanted later than there was time for, is not made sooner one layer up."""

    async def story():
        asked = []

        async def bottom():
            asked.append(colour.now())
            raise error("down")

        at_once = ub.Retry(3, backoff=ub.Backoff(0.0), throttled=ub.Backoff(0.0))
        inner = colour.protect(bottom, deadline=10.0)

        async def work():
            try:
                await colour.call(inner)
            except Exception as trouble:
                layer(trouble)

        await colour.call(colour.protect(work, deadline=60.0, retry=at_once).outcome)
        return asked

    assert moments == colour.play(story)


def test_the_rest_of_a_circuit_of_ours_is_no_wish_of_a_target(colour):
    """A layer that makes something of its own of a refusal below tries again when it would have anyway."""

    async def story():
        async def bottom():
            raise ConnectionError("down")

        inner = colour.protect(bottom, retry=False, breaker=ub.CircuitBreaker(1, rest=20.0))

        async def work():
            try:
                await colour.call(inner)
            except Exception as trouble:
                from_it(trouble)

        outcome = await colour.call(colour.protect(work, deadline=60.0).outcome)
        return outcome.attempts, colour.now()

    assert (3, 2.0) == colour.play(story)


def test_what_is_known_to_be_hopeless_is_repeated_on_no_layer(colour):
    """What the layer below has learned to give up costs one call more often than not, and not one for each layer."""

    async def story():
        calls = []

        async def bottom():
            calls.append(1)
            raise ConnectionError("down")

        door = colour.protect(bottom, breaker=False, budget=False)
        for _ in range(2):
            below = door

            async def work(below=below):
                return await colour.call(below)

            door = colour.protect(work, breaker=False, budget=False)
        for _ in range(60):
            await colour.call(door.outcome)
        return len(calls)

    assert 60 < colour.play(story) <= 60 + 30


class Says(Exception):
    """Hold the status of an answer, and a wish that comes with it."""

    def __init__(self, status, wish=None):
        super().__init__(status)
        self.status_code, self.retry_after = status, wish


class NotThere(Exception):
    """Say what ``Retry.on`` leaves out."""


@pytest.mark.parametrize(
    ("end", "retry", "waits"),
    [
        (Says(404), False, False),
        (Says(401), False, False),
        (Says(500), False, True),
        (NotThere(), ub.Retry(1, on=OSError), False),
        (Says(503), ub.Retry(1, on=OSError), True),
    ],
    ids=["404", "401", "500", "left out", "full"],
)
def test_a_target_that_answers_others_by_a_no_makes_nobody_wait(colour, end, retry, waits):
    """Of lookups that mostly find nothing a few are too many: those in between are served; a 500 serves nobody."""

    async def story():
        errors = [Says(429, 5.0), end] * 4

        async def look():
            raise errors.pop(0)

        door = colour.protect(look, retry=retry)
        for _ in range(8):
            await colour.call(door.outcome)
        return colour.now()

    assert waits is (colour.play(story) > 0.0)
