"""What the headers of a request say of the call that it is part of."""

from __future__ import annotations

import collections
import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.policies import Context, Plan, Timeout
from unbreakable.policies.carried import headers_of, layers_around
from unbreakable.policies.received import carried_in

YEAR = 365 * 86_400.0


def context(above=None, **fields):
    """Return the context of an attempt at second 100 of some clock."""
    ctx = Context()
    ctx.runtime, ctx.plan, ctx.above = SimpleNamespace(now=lambda: 100.0), Plan(), above
    for name, value in fields.items():
        setattr(ctx, name, value)
    return ctx


class Items:
    """Hand out pairs, as some libraries' headers do."""

    def __init__(self, headers):
        self.headers = headers

    def items(self):
        return self.headers.items()


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, (1, 0, math.inf)),
        ({"Unbreakable-Attempt": "1"}, (1, 0, math.inf)),
        ({"unbreakable-attempt": "2;layers=1", "unbreakable-deadline": "1.250"}, (2, 1, 1.25)),
        ({"UNBREAKABLE-ATTEMPT": "1;layers=2"}, (1, 2, math.inf)),
        ({"Unbreakable-Attempt": "3"}, (3, 1, math.inf)),
        ({"HTTP_UNBREAKABLE_ATTEMPT": "2", "HTTP_UNBREAKABLE_DEADLINE": "3"}, (2, 1, 3.0)),
        ([(b"unbreakable-attempt", b"2;layers=1"), (b"unbreakable-deadline", b"0.5")], (2, 1, 0.5)),
        ({"grpc-timeout": "1500m", "grpc-previous-rpc-attempts": "2"}, (3, 1, 1.5)),
        ({"grpc-timeout": "2S"}, (1, 0, 2.0)),
        ({"grpc-timeout": "1M"}, (1, 0, 60.0)),
        ({"grpc-timeout": "1H"}, (1, 0, 3600.0)),
        ({"grpc-timeout": "5u"}, (1, 0, 5e-6)),
        ({"grpc-timeout": "40000n"}, (1, 0, 4e-5)),
        ({"x-envoy-expected-rq-timeout-ms": "250", "x-envoy-attempt-count": "2"}, (2, 1, 0.25)),
        ({"grpc-timeout": "2S", "unbreakable-deadline": "5", "x-envoy-expected-rq-timeout-ms": "3000"}, (1, 0, 2.0)),
        ({"unbreakable-attempt": "0", "unbreakable-deadline": "0"}, (1, 0, 0.0)),
        ({"unbreakable-deadline": "-1.5", "grpc-timeout": "-1S"}, (1, 0, -1.5)),
        ({"x-envoy-expected-rq-timeout-ms": "-1"}, (1, 0, math.inf)),
        ({"unbreakable-attempt": "9" * 9 + ";layers=" + "9" * 9}, (1_000, 1_000, math.inf)),
    ],
)
def test_headers_are_read_however_they_are_spelt(headers, told):
    """Mappings, pairs, bytes, WSGI's names, and what gRPC and Envoy say of the same."""
    carried = carried_in(headers)

    assert told == (carried.attempt, carried.layers, pytest.approx(carried.remaining))


@pytest.mark.parametrize(
    "value", ["", "-1", "nan", "inf", "1e9", "two", "1;layers=x", "²", "9" * 10, "9" * 40, "1.5", "1;layers=1;x=2"]
)
@pytest.mark.parametrize("name", ["unbreakable-attempt", "grpc-previous-rpc-attempts", "x-envoy-attempt-count"])
def test_what_is_no_number_of_an_attempt_says_nothing(name, value):
    """A stranger's header is read strictly, and never raises."""
    assert (1, 0) == (carried_in({name: value}).attempt, carried_in({name: value}).layers)


@pytest.mark.parametrize("value", ["", "--1", "-", "nan", "inf", "1e9", "soon", "9" * 40, "1,5"])
@pytest.mark.parametrize("name", ["unbreakable-deadline", "grpc-timeout", "x-envoy-expected-rq-timeout-ms"])
def test_what_is_no_length_of_time_binds_nobody(name, value):
    """Whatever is not understood leaves the deadline as it is."""
    assert math.inf == carried_in({name: value}).remaining


@given(st.dictionaries(st.sampled_from(["unbreakable-attempt", "unbreakable-deadline", "grpc-timeout"]), st.text()))
def test_no_header_raises(headers):
    """Whatever a stranger sends is a number of an attempt from 1 up, and a length of time."""
    carried = carried_in(headers)

    assert carried.attempt >= 1
    assert carried.layers >= 0
    assert carried.remaining >= 0.0


def test_odd_entries_among_the_headers_are_left_out():
    """Numbers and None are no headers."""
    assert 2 == carried_in({"unbreakable-attempt": "2", 7: "x", "grpc-timeout": None}).attempt


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"deadline": 101.25}, {"Unbreakable-Attempt": "1", "Unbreakable-Deadline": "1.250"}),
        ({"deadline": 99.0}, {"Unbreakable-Attempt": "1", "Unbreakable-Deadline": "0.000"}),
        ({"deadline": math.inf}, {"Unbreakable-Attempt": "1"}),
        ({"deadline": 100.0 + YEAR}, {"Unbreakable-Attempt": "1"}),
        ({"deadline": 99.0 + YEAR}, {"Unbreakable-Attempt": "1", "Unbreakable-Deadline": "31535999.000"}),
        ({"attempt": 2, "deadline": 102.0}, {"Unbreakable-Attempt": "2;layers=1", "Unbreakable-Deadline": "2.000"}),
        ({"rival": 1}, {"Unbreakable-Attempt": "1;layers=1"}),
        ({"attempt": 3, "rival": 1}, {"Unbreakable-Attempt": "3;layers=1"}),
    ],
)
def test_an_attempt_says_which_it_is_and_how_long_it_is_waited_for(fields, headers):
    """What was told comes out again as it went in."""
    ctx = context(**fields)

    assert headers == headers_of(ctx)
    assert (ctx.attempt, 1 if ctx.attempt > 1 or ctx.rival else 0) == (
        carried_in(headers).attempt,
        carried_in(headers).layers,
    )


@pytest.mark.parametrize(
    ("timeout", "due", "left"),
    [
        (None, 102.0, "9.000"),
        (Timeout(2.0), 102.0, "2.000"),
        (Timeout(12.0), 112.0, "9.000"),
        (Timeout(2.0, learned=True), 102.0, "9.000"),
    ],
)
def test_a_limit_that_is_a_guess_is_not_told(timeout, due, left):
    """The answer to an attempt that is merely slow may still be taken."""
    ctx = context(deadline=109.0, due=due, plan=Plan(timeout=timeout))

    assert left == headers_of(ctx)["Unbreakable-Deadline"]


def test_layers_that_repeat_are_counted_outwards():
    """Each call around counts once, as a repeat or as a second copy; what came from another process is added."""
    outermost = context(layers=1, attempt=2)
    call = context(outermost)
    attempt = context(call, whole=call, attempt=3, rival=1)
    first = context(context(attempt), attempt=1)
    first.whole = first.above
    innermost = context(first, attempt=5)

    assert [1, 2, 3, 3] == [layers_around(each) for each in (context(context(layers=1)), attempt, first, innermost)]


def test_what_goes_on_beyond_an_attempt_is_no_second_layer():
    """A run that outlives its caller's attempt counts that attempt, and the request around it, once."""
    request = context(layers=1, attempt=2)
    call = context(request, attempt=2)

    assert [2, 3] == [layers_around(context(each)) for each in (request.beyond(), call.beyond())]


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({"grpc-previous-rpc-attempts": "0"}, 1),
        ({"grpc-previous-rpc-attempts": "1"}, 2),
        ({"grpc-previous-rpc-attempts": "0", "x-envoy-attempt-count": "3"}, 3),
        ({"grpc-previous-rpc-attempts": "2", "x-envoy-attempt-count": "9"}, 3),
        ({"x-envoy-attempt-count": ""}, 1),
        ({}, 1),
    ],
)
def test_attempts_before_it_are_counted_and_where_there_were_none_the_proxies(headers, attempt):
    """The count of gRPC begins with none."""
    assert (attempt, int(attempt > 1)) == (carried_in(headers).attempt, carried_in(headers).layers)


@pytest.mark.parametrize("form", [dict, lambda headers: [*headers.items()], collections.UserDict, Items])
def test_headers_are_read_in_whatever_form_a_library_has_them(form):
    """Pairs, mappings, and what has items without being one."""
    assert 4 == carried_in(form({"Unbreakable-Attempt": "4;layers=2"})).attempt
