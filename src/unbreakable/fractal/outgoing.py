"""Any client can tell the next process which attempt it is asked in."""

from __future__ import annotations

from unbreakable.policies import current
from unbreakable.policies.carried import headers_of


def outgoing() -> dict[str, str]:
    """Return the headers that tell whoever is asked in the protected call at work of it; none outside of any call.

    >>> outgoing()
    {}

    They are what APINode and AdaptiveTransport send by themselves and ``ub.incoming`` reads: which attempt it is, how
    many calls around it are repeating, and how many seconds are left.  Ask for them in each attempt anew.
    """
    ctx = current()
    return {} if ctx is None else headers_of(ctx)
