"""Replicas are remembered by how they did lately."""

from __future__ import annotations

import pytest

from unbreakable.nodes.http.endpoints import FIRST_REST, MOST_REST, Endpoints

A, B, C = "https://a", "https://b", "https://c"


@pytest.fixture
def endpoints() -> Endpoints:
    """Return three replicas."""
    return Endpoints([A, B, C])


def test_the_first_is_preferred(endpoints):
    """Whoever stands first is asked first, unless another one is wanted or it is to be avoided."""
    assert (A, B, B) == (endpoints.choose(0.0), endpoints.choose(0.0, wanted=B), endpoints.choose(0.0, avoid=A))


def test_a_dead_one_rests_at_once(endpoints):
    """An endpoint that is not there is not asked for five seconds, even if it is wanted."""
    endpoints.failed(A, 0.0, dead=True)

    assert (B, (A,)) == (endpoints.choose(4.9, wanted=A), endpoints.resting(4.9))


def test_a_bad_one_rests_after_three_failures(endpoints):
    """An endpoint that answers badly is given two more chances; a good answer in between starts anew."""
    for _ in range(2):
        endpoints.failed(A, 0.0, dead=False)
    endpoints.worked(A)
    for _ in range(2):
        endpoints.failed(A, 0.0, dead=False)
    still = endpoints.choose(0.0)
    endpoints.failed(A, 0.0, dead=False)

    assert (A, B) == (still, endpoints.choose(0.0))


def test_one_caller_tries_a_rested_one(endpoints):
    """After the rest one call asks again, and the others go elsewhere until it has reported."""
    endpoints.failed(A, 0.0, dead=True)
    asked = [endpoints.choose(FIRST_REST) for _ in range(3)]
    endpoints.worked(A)

    assert ([A, B, B], A) == (asked, endpoints.choose(FIRST_REST))


def test_rests_grow(endpoints):
    """An endpoint that stays dead is asked less and less often, but at least once a minute."""
    endpoints.failed(A, 0.0, dead=True)
    now, tries = 0.0, []
    while now < 600.0:
        now += 0.5
        if endpoints.choose(now) == A:
            tries.append(now)
            endpoints.failed(A, now, dead=True)

    assert [5.0, 15.0, 35.0, 75.0, 135.0] == tries[:5]
    assert MOST_REST == tries[-1] - tries[-2]


def test_a_herd_that_fails_together_counts_as_one_rest(endpoints):
    """Twenty calls in flight to an endpoint that dies do not make its rest longer."""
    for _ in range(20):
        endpoints.failed(A, 1.0, dead=True)

    assert A == endpoints.choose(1.0 + FIRST_REST)


def test_when_all_rest_the_one_that_rested_longest_is_asked(endpoints):
    """There is always somebody to ask."""
    for moment, url in enumerate([B, A, C]):
        endpoints.failed(url, float(moment), dead=True)

    assert (B, False) == (endpoints.choose(3.0), endpoints.others_work(3.0, B))


def test_a_single_endpoint_is_always_asked():
    """Where there is no choice, nothing is decided."""
    only = Endpoints([A])
    only.failed(A, 0.0, dead=True)

    assert A == only.choose(0.0, avoid=A)
