"""Which of two borders is the one that a call has come to, and that they are in order."""

from __future__ import annotations

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.outcome import Success
from unbreakable.policies import AdaptiveLimit, Bulkhead, Plan
from unbreakable.runtime import Gate


@pytest.mark.parametrize(
    ("bulkhead", "wait", "refusal", "took"),
    [
        (None, 2.0, "LimitReached", 2.0),
        (Bulkhead(5, wait=3.0), 2.0, "LimitReached", 2.0),
        (Bulkhead(1, wait=3.0), 2.0, "BulkheadFull", 3.0),
    ],
)
def test_what_is_full_is_named_and_waited_for_as_it_says(bench, bulkhead, wait, refusal, took):
    """A bulkhead that is as narrow as the limit is the one that refuses."""

    async def story():
        bench.target.gate = Gate(1)
        bench.target.gate.enter_nowait()
        ctx = bench.context(plan=Plan(bulkhead=bulkhead, deadline=60.0))
        began = bench.runtime.now()
        found = await AdaptiveLimit(wait=wait).run(bench.inner(Success(1)), ctx)
        return type(found.error).__name__, bench.runtime.now() - began

    assert (refusal, pytest.approx(took)) == bench.play(story)


def test_the_most_is_no_less_than_the_least():
    """Whoever mixes them up is told both."""
    assert 3 == AdaptiveLimit(least=3, most=3).most
    with pytest.raises(ConfigurationError) as caught:
        AdaptiveLimit(least=5, most=3)

    assert "AdaptiveLimit.most must be at least AdaptiveLimit.least, 5, not 3" == str(caught.value)
