"""What verification finds out about one call of a pivot, and what that says of the payment in it."""

from __future__ import annotations

import pytest
from tests.torture.test_doubt import MyError, paying
from tests.torture.test_doubt_in_pivots import end_of

import unbreakable as ub
from unbreakable.errors import VerificationFailed


def says(error):
    """Return a check that raises *error*."""

    def check(answer):
        raise error

    return check


UNJUDGED = [
    {"schema": dict},
    {"schema": int},
    {"schema": says(ValueError("no such field"))},
    {"verify": lambda answer: answer["status"] == "settled"},
    {"verify": says(KeyError("status"))},
]
NO = {"verify": lambda answer: False}
OWN_WORDS = [{"verify": says(VerificationFailed("declined"))}, {"schema": says(VerificationFailed("declined"))}]


@pytest.mark.parametrize("effects", ["once", "idempotent", "unknown"])
@pytest.mark.parametrize(
    ("check", "expected"),
    [*((check, "uncertain") for check in UNJUDGED), (NO, "failed"), *((check, "failed") for check in OWN_WORDS)],
)
def test_a_payment_whose_answer_nobody_could_judge_is_in_doubt(colour, effects, check, expected):
    """It came back; that we made nothing of the answer is no word of the bank's, as a "no" of the program's own is."""

    async def story():
        async def pay():
            return "paid"

        return (await end_of(colour, colour.protect(pay, effects=effects, retry=False, **check))).ledger["pay"].value

    assert expected == colour.play(story)


@pytest.mark.parametrize("effects", ["none", "idempotent", "once"])
@pytest.mark.parametrize("check", [*UNJUDGED, NO])
def test_a_verdict_on_one_call_is_no_word_on_the_payment_before_it(colour, effects, check):
    """That the receipt is not what was asked for does not say that the card was not charged."""

    async def story():
        async def receipt():
            return "soon"

        ask, look = paying(colour, []), colour.protect(receipt, effects=effects, retry=False, **check)

        async def pay():
            await colour.call(ask)
            await colour.call(look)

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "uncertain" == colour.play(story)


@pytest.mark.parametrize("check", [*UNJUDGED, NO])
def test_a_look_that_nobody_could_judge_leaves_no_doubt(colour, check):
    """Nothing was done, and nothing is paid after it."""

    async def story():
        async def rates():
            return "soon"

        look = colour.protect(rates, effects="none", retry=False, **check)

        async def pay():
            await colour.call(look)

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "failed" == colour.play(story)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("check", "expected"), [(NO, "failed"), ({"schema": dict}, "uncertain")])
def test_who_judges_what_a_payment_came_to_is_believed(colour, layers, check, expected):
    """A function around the bank's API that says "declined" speaks of all that was done in it; a misfit of nothing."""

    async def story():
        ask = paying(colour, [])

        async def book():
            await colour.call(ask)
            return "declined"

        judged = colour.protect(book, retry=False, **check)

        async def around():
            return await colour.call(judged)

        pay = judged if layers == 1 else colour.protect(around, retry=False)
        return (await end_of(colour, pay)).ledger["pay"].value

    assert expected == colour.play(story)


@pytest.mark.parametrize("script", [False, True])
def test_a_verdict_is_the_same_by_arithmetic_and_by_the_script(colour, script):
    """A payment before it stays paid, and one in it is judged, whichever way the calls go."""

    async def story():
        ask = paying(colour, [])

        async def book():
            await colour.call(ask)
            return "declined"

        judged = colour.protect(book, retry=False, **NO)

        async def pay():
            if script:
                outcome = await colour.call(judged.outcome)
                raise outcome.error
            await colour.call(judged)

        async def pay_twice():
            await colour.call(ask)
            await pay()

        return [(await end_of(colour, work)).ledger["pay"].value for work in (pay, pay_twice)]

    assert ["failed", "uncertain"] == colour.play(story)


def test_a_repeat_that_is_declined_does_not_clear_up_a_misfit(colour):
    """The first answer may have been to a payment that went through."""

    async def story():
        answers = ["paid", MyError("no funds")]

        async def pay():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return (await end_of(colour, colour.protect(pay, effects="idempotent", schema=dict))).ledger["pay"].value

    assert "uncertain" == colour.play(story)


def test_a_result_says_whether_it_was_judged():
    """Handlers can tell a "no" from an answer that nobody could make anything of."""

    def judged(**check):
        return ub.protect("pay", retry=False, **check)(lambda: "paid").outcome().error.judged

    assert (True, False, False) == (judged(**NO), judged(schema=dict), judged(verify=says(KeyError())))
    assert (None, None) == (VerificationFailed("declined").judged, judged(**OWN_WORDS[0]))
