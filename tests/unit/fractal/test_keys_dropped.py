"""What is in flight at a key that is dropped for newer ones counts when it ends."""

from __future__ import annotations

import asyncio
from collections import Counter

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.fractal.targets import MOST_KEYS
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

MANY = 2 * MOST_KEYS


def asked(hosts, work, **options):
    """Ask so many *hosts* at once, each by a call of its own; return how they ended, and the status."""
    ask = ub.protect("hosts", effects="none", key=lambda host: host, **options)(work)

    async def main():
        ended = await asyncio.gather(*map(ask.outcome, range(hosts)))
        return Counter(each.status for each in ended), ask.node.get_status()

    with virtual_time(seed=1):
        return asyncio.run(main())


async def slow(host):
    """Answer after a second; of each ten hosts one has failed by then, another fails once."""
    await ASYNCIO.sleep(1.0)
    if host % 10 == 0:
        raise ConfigurationError("there is no such host")
    if host % 10 == 1 and ub.current().attempt == 1:
        raise ConnectionError("reset")
    return host


def test_all_calls_are_counted_that_ended():
    """A crawler has more hosts in flight than are kept: two thirds of its calls were missing."""
    ends, status = asked(MANY, slow, budget=False)
    assert ends == {ub.Status.OK: 0.8 * MANY, ub.Status.HEALED: 0.1 * MANY, ub.Status.FAILED: 0.1 * MANY}
    assert (MANY, 0.1 * MANY, 0.1 * MANY) == (status.total_executions, status.heal_count, status.failure_count)
    assert 0.9 * MANY == status.success_count


def test_what_a_fallback_answers_counts_as_such():
    """It is not taken for a success, nor left out."""
    _, status = asked(MANY, slow, budget=False, fallback=lambda failure: "unknown")
    assert (0.1 * MANY, 0) == (status.degraded_count, status.failure_count)


async def well_at_first(host):
    """Be well in the first second; then fail once."""
    await ASYNCIO.sleep(1.0 if host < MANY else 2.0)
    if host >= MANY and ub.current().attempt == 1:
        raise ConnectionError("reset")
    return host


def test_they_pay_for_repeats():
    """Successes that nobody counted earned nothing, and calls failed that could have been repeated."""
    most = 100
    budget = ub.RetryBudget(
        ratio=0.06, start=0, floor=0.0
    )  # enough if all two thousand pay, and not if half of them do
    ends, _ = asked(MANY + most, well_at_first, budget=budget)
    assert ends == {ub.Status.OK: MANY, ub.Status.HEALED: most}
