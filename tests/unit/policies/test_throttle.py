"""A throttle in front of a call: by chance, as often as its share says, and only where there is one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.errors import ConfigurationError, Throttled
from unbreakable.outcome import Failure
from unbreakable.policies import Throttle
from unbreakable.policies.priority import priority


def play(bench, share, u, **fields):
    """Return what a call comes to while that *share* is not sent, and what its throttle did."""
    did = []

    def share_of(now, importance):
        did.append(importance)
        return share

    async def story():
        now = bench.runtime.now()
        bench.target.flow = SimpleNamespace(
            look=lambda node, at: did.append((node.name, at - now)),
            share=share_of,
            shed=lambda at: did.append(at - now),
        )
        ctx = bench.context(**fields)
        ctx.runtime = SimpleNamespace(now=bench.runtime.now, random=lambda: u)
        result = await Throttle().run(bench.inner("in"), ctx)
        return result, [line.split("  ")[-1] for line in ctx.notebook.lines]

    result, lines = bench.play(story)
    return result, did, lines


def test_without_a_share_every_call_is_sent(bench):
    """And nothing is told."""
    result, did, lines = play(bench, 0.0, 0.0)

    assert ("in", [("stub", 0.0), "normal"], []) == (result.value, did, lines)


@pytest.mark.parametrize(("u", "sent"), [(0.0, False), (0.29, False), (0.3, True), (0.9, True)])
def test_a_share_of_the_calls_is_not_sent(bench, u, sent):
    """By the fall of the dice; both ends are told, and the one that is refused is counted."""
    result, did, lines = play(bench, 0.3, u)
    message = "stub refuses too much: 30% of the calls are not even sent"

    assert [("stub", 0.0), "normal", *([] if sent else [0.0])] == did
    if sent:
        assert ("in", ["one of the 70% of the calls that are sent"]) == (result.value, lines)
    else:
        assert (Throttled, message, True) == (type(result.error), str(result.error), result.refused)
        assert [f"refused: {message}"] == lines


def test_it_is_asked_how_important_the_call_is(bench):
    """Of the less important more are refused."""
    with priority("low"):
        _, did, _ = play(bench, 0.0, 0.0)

    assert "low" == did[-1]


def test_a_call_whose_first_attempt_was_made_is_not_asked_again(bench):
    """It was sent: whether it is repeated is for others to say."""
    result, did, _ = play(bench, 1.0, 0.0, first=Failure(OSError()))

    assert ("in", [("stub", 0.0)]) == (result.value, did)


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, "0.9", True])
def test_what_is_no_share_is_refused(wrong):
    """Of a target that accepts nothing, nothing could be sent."""
    with pytest.raises(ConfigurationError, match=r"Throttle\.accept must be a share from 0 to 1 \(above 0\), not "):
        Throttle(wrong)
    assert (0.9, 1.0) == (Throttle().accept, Throttle(1.0).accept)
