"""What the next process is told of the call that a request is part of: which attempt it is, and how long it has.

Two headers, which APINode and AdaptiveTransport send and ``ub.incoming(headers)`` reads:

``Unbreakable-Attempt: 2;layers=1``
    The number of the attempt, from 1; and how many calls around the request are repeating, or are second copies, this
    one included.  A repeat deep inside other repeats is what makes a storm: whoever works for one pays double for its
    own repeats, and inside two there are none.

``Unbreakable-Deadline: 1.250``
    Seconds that are left until nobody waits for the answer any more.  A length of time and no moment, since clocks of
    two machines differ; how long the request was on its way is not known.
"""

from __future__ import annotations

from unbreakable.policies.policy import Context

ATTEMPT = "Unbreakable-Attempt"
DEADLINE = "Unbreakable-Deadline"
LONGEST = 365 * 86_400.0  # seconds; what is longer is no deadline


def layers_around(ctx: Context) -> int:
    """Return how many of the calls around that of *ctx* are repeating, or are second copies, processes before included.

    Nothing is said of the call itself.
    """
    layers, scope = ctx.layers, ctx.parent
    while scope is not None:
        layers += scope.layers + (scope.attempt > 1 or scope.rival > 0)
        scope = scope.parent
    return layers


def headers_of(ctx: Context) -> dict[str, str]:
    """Return the headers that tell whoever is asked in the attempt *ctx* of it."""
    layers = layers_around(ctx) + (ctx.attempt > 1 or ctx.rival > 0)
    told = {ATTEMPT: f"{ctx.attempt};layers={layers}" if layers else str(ctx.attempt)}
    left = seconds_left(ctx)
    if left < LONGEST:
        told[DEADLINE] = f"{max(0.0, left):.3f}"
    return told


def seconds_left(ctx: Context) -> float:
    """Return for how long the answer to the attempt *ctx* is waited for; a limit that was learned is no such moment."""
    limit = ctx.plan.timeout
    due = ctx.deadline if limit is None or limit.learned else min(ctx.deadline, ctx.due)
    return due - ctx.runtime.now()
