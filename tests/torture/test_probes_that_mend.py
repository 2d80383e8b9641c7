"""A probe that fails mends what it can for the next one: nobody else is there to see whether that helps by now."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen
from unbreakable.fractal.signature import sign
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

SLEEP = ASYNCIO.sleep


def lose_hope(read, *tried, given_up):
    """Have remedies been *tried* so often in vain, as in a long outage, None for waiting; *given_up*: repeats, too."""
    with pytest.raises(ConnectionResetError) as caught:
        read.function()
    experience, signature = read.node.target.experience, sign(caught.value)
    for remedy, times in tried:
        for _ in range(times):
            experience.update(signature, remedy, worked=False)
    for _ in range(20 * given_up):
        experience.lost(signature, 0)


@pytest.mark.parametrize("given_up", [False, True])
@pytest.mark.parametrize("wait", [0.0, 5.0])
def test_what_was_in_vain_during_an_outage_is_tried_by_each_probe(wait, given_up):
    """Waiting failed less often than to reconnect, which is what helps when the server is back."""
    broken, made = True, []

    def connect():
        nonlocal broken
        made.append(None)
        broken = False

    reconnect = ub.remedies.reconnect(connect)

    @ub.protect("database", effects="none", breaker=ub.CircuitBreaker(1, rest=30.0, wait=wait), remedies=[reconnect])
    def read():
        if broken:
            raise ConnectionResetError
        return 7

    lose_hope(read, (reconnect, 40), (None, 1), given_up=given_up)

    ends = []
    with virtual_time(seed=1) as clock:
        for _ in range(3):
            ends.append(read.outcome().value)
            clock.advance(30.0)

    assert ([None, 7, 7], 1) == (ends, len(made))


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("given_up", [False, True])
def test_a_probe_that_may_wait_for_the_next_rest_mends_what_it_can_before(given_up, attempts):
    """It is the last attempt of its call, or the call gives up; others that wait would be the next probes."""
    broken = True

    def connect():
        nonlocal broken
        broken = False

    @ub.protect(
        "database",
        effects="none",
        deadline=60.0,
        retry=ub.Retry(attempts),
        breaker=ub.CircuitBreaker(1, rest=10.0, wait=15.0),
        remedies=[ub.remedies.reconnect(connect)],
    )
    def read():
        if broken:
            raise ConnectionResetError
        return 7

    lose_hope(read, (read.node.remedies[0], 40), given_up=given_up)

    with virtual_time(seed=1) as clock:
        ends = []
        for _ in range(4):
            ends.append(read.outcome().value)
            clock.advance(10.0)

    assert [7, 7] == ends[-2:]


class Sites:
    """Have the first of two sites go for good, and the second one for a while."""

    def __init__(self, clock):
        self.clock, self.began = clock, clock.now()

    @property
    def seconds(self):
        """How long this goes on."""
        return self.clock.now() - self.began

    def is_down(self, host):
        """Tell of a site."""
        return self.seconds >= 20.0 if host == "first" else 60.0 <= self.seconds < 120.0


def failing_over(clock, **settings):
    """Return a call that goes to the first of two sites, and by its remedy to the second."""
    sites = Sites(clock)

    @ub.protect("partner", effects="none", budget=False, remedies=[ub.remedies.other_endpoint(elsewhere)], **settings)
    def ask(host="first"):
        if sites.is_down(host):
            raise ConnectionRefusedError
        return host

    return ask


def elsewhere():
    """Have the call go to the other site."""
    return {"host": "second"}


def taking_longer(clock, **settings):
    """Return a call that takes longer than its limit allows, and hangs for a while; its remedy is more time."""
    began = clock.now()

    @ub.protect(
        "partner",
        effects="none",
        budget=False,
        timeout=ub.Timeout(1.0),
        remedies=[ub.remedies.longer_timeout()],
        **settings,
    )
    async def ask():
        seconds = clock.now() - began
        await SLEEP(100.0 if 60.0 <= seconds < 120.0 else 1.5 if seconds >= 20.0 else 0.5)
        return "late"

    return ask


@pytest.mark.parametrize(
    ("breaker", "within"),
    [
        (None, 31.0),
        (ub.CircuitBreaker(rest=10.0), 11.0),
        (ub.CircuitBreaker(rest=10.0, permits=2), 11.0),
        (ub.CircuitBreaker(ratio=0.5, minimum=5, rest=10.0), 11.0),
        (ub.CircuitBreaker(rest=10.0, ramp=20.0), 41.0),
    ],
    ids=["unset", "in a row", "permits", "ratio", "ramp"],
)
def test_what_mends_only_its_own_call_does_so_again_after_an_outage_of_all(breaker, within):
    """Each call fails at first, and is healed by the second site: one that is back is what a probe has to find."""
    with virtual_time(seed=1) as clock:
        ask, began, lost = failing_over(clock, breaker=breaker), clock.now(), []
        while (second := clock.now() - began) < 220.0:
            if not ask.outcome().ok:
                lost.append(second)
            clock.advance(1.0)

    assert any(60.0 <= second < 120.0 for second in lost)
    assert [] == [second for second in lost if second < 58.0 or second > 120.0 + within]


@pytest.mark.parametrize("ramp", [0.0, 20.0])
def test_a_probe_has_the_time_that_a_remedy_gives_its_call(ramp):
    """The target is back, but as slow as it was before: each call is cut once, and then has twice the time."""
    lost = []

    async def main():
        ask = taking_longer(clock, breaker=ub.CircuitBreaker(rest=10.0, ramp=ramp))
        began = clock.now()
        while (second := clock.now() - began) < 240.0:
            if not (await ask.outcome()).ok:
                lost.append(second)
            await SLEEP(2.0)

    with virtual_time(seed=1) as clock:
        asyncio.run(main())

    assert any(60.0 <= second < 120.0 for second in lost)
    assert [] == [second for second in lost if second < 55.0 or second > 140.0 + 2.0 * ramp]


@pytest.mark.parametrize("ramp", [0.0, 20.0])
def test_a_remedy_takes_its_time_and_no_other_call_takes_the_permit_meanwhile(ramp):
    """The one that reconnects sees that it has helped; another one would fail just as well, and is refused."""
    ends, events = {}, []

    async def main():
        began, broken = clock.now(), True

        @ub.protect("database", effects="none", retry=ub.Retry(2), breaker=ub.CircuitBreaker(1, rest=10.0, ramp=ramp))
        async def read():
            if broken:
                raise ConnectionResetError
            return 7

        @read.remedy(ConnectionResetError)
        async def connect(failure):
            nonlocal broken
            await SLEEP(1.0)
            broken = clock.now() < began + 5.0

        async def later(name, seconds):
            await SLEEP(seconds)
            ends[name] = (await read.outcome()).error

        for event in (ub.events.CircuitOpened, ub.events.CircuitClosed, ub.events.CircuitRamping):
            read.node.on(event, lambda event: events.append(type(event).__name__))
        await asyncio.gather(later("down", 0.0), later("mends", 12.0), *(later(n, 12.9 + n / 50) for n in range(10)))

    with virtual_time(seed=1) as clock:
        asyncio.run(main())

    assert ends["mends"] is None
    assert [CircuitOpen] * 5 == [type(ends[number]) for number in range(5)]
    assert ["CircuitOpened", "CircuitRamping" if ramp else "CircuitClosed"] == events


def test_credentials_that_died_in_an_outage_show_that_it_is_over():
    """The target is there, as it is for who has no remedy; so nobody is refused while a token is fetched."""
    ends = []

    async def main():
        began, token = clock.now(), "old"

        @ub.protect("partner", effects="none", retry=ub.Retry(2), breaker=ub.CircuitBreaker(1, rest=10.0))
        async def ask():
            if clock.now() < began + 5.0:
                raise ConnectionResetError
            sent = token
            await SLEEP(0.15)
            if sent == "old":
                raise PermissionError("401")
            return sent

        @ask.remedy(PermissionError)
        async def refresh(failure):
            nonlocal token
            await SLEEP(1.0)
            token = "new"

        async def later(seconds):
            await SLEEP(seconds)
            ends.append((await ask.outcome()).value)

        await asyncio.gather(*map(later, (0.0, 12.0, *(12.2 + each / 10 for each in range(10)))))

    with virtual_time(seed=1) as clock:
        asyncio.run(main())

    assert [None, *["new"] * 11] == ends
