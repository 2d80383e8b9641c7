"""What is known of remedies: those that work are chosen, and what was once true is not believed for ever."""

from __future__ import annotations

import random
from array import array
from types import SimpleNamespace
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal.cases import Case, Score
from unbreakable.fractal.episode import Episode
from unbreakable.fractal.experience import Experience
from unbreakable.fractal.remedies import Remedy
from unbreakable.fractal.survey import remedies_of
from unbreakable.outcome import Failure

REFRESH, OTHER, THIRD = (
    Remedy(name, lambda failure: True, lambda failure: None) for name in ("refresh", "other", "third")
)
BATCH = Remedy("batch", lambda failure: True, lambda failure: None, goes_on=True)
LAST = ub.remedies.give_up(Exception)
FAILED = Failure(TimeoutError("too much"), signature="timeout")


def taught(*lessons, seconds=0.0, experience=None):
    """Return an experience of verdicts: how often in a row a remedy (None: waiting) worked or did not."""
    experience = Experience() if experience is None else experience
    for remedy, worked, times in lessons:
        for _ in range(times):
            experience.update("timeout", remedy, worked=worked, seconds=seconds)
    return experience


def chosen(experience, *candidates, tried=None, seed=1):
    """Return what is chosen of *candidates*, waiting included."""
    return experience.choose("timeout", candidates, random.Random(seed).random, tried or {})[0]


def test_registered_remedies_go_first():
    """Of what was never tried the first that was registered is tried, and waiting last."""
    failed = taught((REFRESH, False, 2), (OTHER, False, 2))

    assert [REFRESH, OTHER] == [chosen(Experience(), REFRESH, OTHER, tried=tried) for tried in ({}, {"refresh": 1})]
    assert None is chosen(failed, REFRESH, OTHER, tried={"refresh": 2, "other": 2})


def test_what_is_known_to_work_goes_before_what_was_never_tried():
    """One success is enough to be asked first the next time."""
    experience = taught((REFRESH, False, 1), (OTHER, True, 1))

    assert OTHER is chosen(experience, REFRESH, OTHER, THIRD)


def test_a_remedy_that_stops_working_is_soon_demoted():
    """A hundred successes long ago weigh less than five failures now, or four where something else works instead."""
    experience = taught((REFRESH, True, 100), (REFRESH, False, 4), (OTHER, True, 2))

    assert OTHER is chosen(experience, REFRESH, OTHER)
    assert None is chosen(taught((REFRESH, True, 100), (REFRESH, False, 12)), REFRESH)


def test_a_remedy_that_works_most_of_the_time_is_not_demoted_for_a_failure():
    """Three successes in four are better than nothing, whatever came last."""
    experience = taught((None, False, 5), *[(REFRESH, True, 3), (REFRESH, False, 1)] * 10)

    assert REFRESH is chosen(experience, REFRESH)
    assert 0.65 < experience.value("timeout", REFRESH) < 0.8


def test_of_two_that_work_the_cheaper_one_is_tried_first():
    """What a try costs in seconds decides between remedies that both help."""
    experience = taught((REFRESH, True, 10), seconds=5.0)
    taught((OTHER, True, 10), (OTHER, False, 2), seconds=0.1, experience=experience)

    assert OTHER is chosen(experience, REFRESH, OTHER)


def test_what_was_tried_in_this_call_waits_for_the_rest():
    """A remedy that did not help just now is not tried again before every other one was."""
    experience = taught((REFRESH, True, 20))

    assert OTHER is chosen(experience, REFRESH, OTHER, tried={"refresh": 1, "wait": 1})
    assert REFRESH is chosen(experience, REFRESH, OTHER, tried={"refresh": 1, "wait": 1, "other": 1})


def episode_of(*steps):
    """Return an episode in which *steps* were applied; where one is None, halving a batch did not go through."""
    episode = Episode("")
    for mended in steps:
        episode.tried(FAILED, mended or BATCH, mended)
    return episode


def test_what_goes_on_where_it_stopped_may_be_tried_again():
    """Half a batch that is still too large is halved once more, until it cannot be."""
    experience = taught((BATCH, True, 9))
    halved, least = (episode_of(*steps).failed(FAILED, []) for steps in ((BATCH, BATCH), (BATCH, None)))

    assert [BATCH, OTHER] == [chosen(experience, BATCH, OTHER, tried=tried) for tried in (halved, least)]


@pytest.mark.parametrize(("most", "verdicts"), [(3, (1, 0)), (4, (0, 0))])
def test_what_goes_on_is_judged_as_a_whole(most, verdicts):
    """Each step that is not enough is no failure; that all were not is one, if no attempts were left for more."""
    target: Any = SimpleNamespace(experience=Experience(), successes_of_all=lambda: 0)
    episode = episode_of(BATCH, BATCH)
    told = [episode.confirm(target, FAILED, BATCH, worked=False, seconds=2.0) for _ in range(2)]
    assert ([False, False], True, 0) == (told, episode.is_in_the_middle("timeout"), len(target.experience))

    episode.end(target, FAILED.but(attempt=3), most)
    failed = Experience.to_dict(target.experience).get("timeout", {}).get("batch", {"tried": 0, "worked": 0})
    assert verdicts == (failed["tried"], failed["worked"])


def test_a_success_is_that_of_all_steps_before_it():
    """It costs as long as they took together, and nothing is left to be judged."""
    target: Any = SimpleNamespace(experience=Experience())
    episode = episode_of(BATCH, BATCH)
    told = [episode.confirm(target, FAILED, BATCH, worked=worked, seconds=2.0) for worked in (False, False, True)]

    assert [False, False, True] == told
    assert not episode.is_in_the_middle("timeout")
    told = target.experience.to_dict()
    assert (1.0, 1.0) == (told["timeout"]["batch"]["tried"], told["timeout"]["batch"]["worked"])
    assert 6.0 == target.experience._cases["timeout"].score("batch").cost


@pytest.mark.parametrize("known", [(REFRESH, True, 50), (REFRESH, False, 50)])
def test_exploration_keeps_to_its_budget(known):
    """At most one first choice in twenty goes to anything but the best, and at least one in two hundred."""
    experience, dice = taught(known, (None, False, 3)), random.Random(7).random
    best = chosen(experience, REFRESH, OTHER)
    others = sum(experience.choose("timeout", [REFRESH, OTHER], dice)[0] is not best for _ in range(2_000))

    assert 10 <= others <= 100


def test_what_several_targets_know_of_a_remedy_is_weighed_by_how_much_that_is():
    """In a status, many tries here count for more than one there."""
    often, once = taught((REFRESH, True, 100)), taught((REFRESH, False, 1))
    targets: list[Any] = [SimpleNamespace(experience=each) for each in (often, once, often)]  # twins share theirs
    told = remedies_of(targets)["timeout"]["refresh"]

    assert pytest.approx((20.9, 19.9), abs=0.2) == (told["tried"], told["worked"])
    assert often.value("timeout", REFRESH) - told["estimate"] < 0.05


# ── giving up ────────────────────────────────────────────────────────────────────────────────────────────────────────


def gives_up(experience, signature="timeout", successes=0):
    return any(experience.gives_up(signature, [], lambda: successes) for _ in range(2))  # one in twenty only looks


def lost(times, signature="timeout", between=1):
    experience = Experience()
    for number in range(times):
        experience.lost(signature, between * number)
    return experience


def test_what_no_repeat_ever_helped_against_is_not_repeated():
    """Five calls lost after repeats are enough, four are not; each twentieth call looks whether it is so still."""
    assert [False, True] == [gives_up(lost(times)) for times in (4, 5)]
    experience = lost(20)
    said = [experience.gives_up("timeout", [], lambda: 0) for _ in range(40)]
    assert [19, 39] == [number for number, is_given_up in enumerate(said) if not is_given_up]


def test_waiting_is_no_choice_where_nobody_repeats_for_it():
    """A remedy that was in vain through an outage is not pushed aside by what cannot be done, nor forgotten."""
    experience = taught((REFRESH, False, 3))

    def told(tried=None):
        return experience.choose("timeout", [REFRESH], random.Random(1).random, tried or {}, can_wait=False)

    assert None is chosen(taught((REFRESH, False, 3)), REFRESH)
    assert (REFRESH, REFRESH) == (told()[0], told({"refresh": 2})[0])
    for _ in range(6):
        experience.update("timeout", REFRESH, worked=False)
    looks = [told().looks for _ in range(40)]
    assert [19, 39] == [number for number, is_look in enumerate(looks) if is_look]
    assert None is told({"refresh": 1})[0] is told()[0]
    experience.update("timeout", REFRESH, worked=True)
    assert REFRESH is told()[0]


def deciding(experience, *candidates, tried=None, **options):
    """Return what is chosen where nobody waits."""
    dice = random.Random(1).random
    return experience.choose("timeout", candidates, dice, tried or {}, **{"can_wait": False, **options})


def test_what_has_no_hope_takes_no_turn_from_what_has():
    """Whose turn it is, being in vain, is passed over; a call that looks tries it, and goes on looking."""
    experience = taught((REFRESH, True, 5), (OTHER, False, 12))
    tried = {"refresh": 1}

    assert REFRESH is deciding(experience, REFRESH, OTHER).remedy
    assert (REFRESH, False) == deciding(experience, REFRESH, OTHER, tried=tried)[::2]
    assert (OTHER, True) == deciding(experience, REFRESH, OTHER, tried=tried, looks=True)[::2]
    assert "to see whether it does now" in deciding(experience, REFRESH, OTHER, tried=tried, looks=True).why
    assert OTHER is deciding(experience, REFRESH, OTHER, tried=tried, is_judged=False).remedy
    assert [19] == [n for n in range(1, 21) if deciding(experience, REFRESH, OTHER, tried=tried).looks]


def test_where_nobody_waits_others_are_explored_as_well():
    """A remedy that was unlucky at first has its chance, though another works more often than not."""
    experience, dice = taught((REFRESH, False, 2), (REFRESH, True, 3), (OTHER, False, 4)), random.Random(3).random
    others = sum(
        experience.choose("timeout", [REFRESH, OTHER], dice, can_wait=False).remedy is OTHER for _ in range(2_000)
    )

    assert 10 <= others <= 100


@pytest.mark.parametrize("can_wait", [True, False])
def test_giving_up_as_it_is_given_comes_after_what_is_given_before_it(can_wait):
    """It competes with none, however well they do; what comes after it, or waiting, never has its turn."""
    experience = taught((OTHER, False, 2), (LAST, True, 9))
    order = [
        deciding(experience, OTHER, LAST, REFRESH, tried=tried, can_wait=can_wait).remedy
        for tried in ({}, {"other": 1}, {"other": 1, "wait": 1})
    ]

    assert [OTHER, LAST, LAST] == order
    assert LAST is deciding(taught((OTHER, False, 12)), OTHER, LAST, can_wait=can_wait).remedy
    assert LAST is deciding(Experience(), LAST, can_wait=can_wait).remedy
    assert OTHER is deciding(taught((OTHER, False, 12)), OTHER, LAST, can_wait=can_wait, looks=True).remedy


@pytest.mark.parametrize("words", ["auth_error", "limit 0", "Limit: 0", "limit=0", "a limit of 0", "the limit is 0"])
def test_what_says_itself_that_it_is_final_is_believed_sooner(words):
    """Two lost calls are enough where the answer says why."""
    assert [False, True] == [gives_up(lost(times, f"429 | {words}"), f"429 | {words}") for times in (1, 2)]


def test_an_outage_is_no_proof_for_afterwards():
    """While nothing at all succeeds, repeats end soon; with the first success they are worth it again."""
    experience = lost(50, between=0)

    assert [True, False] == [gives_up(experience, successes=successes) for successes in (0, 1)]


@pytest.mark.parametrize(
    ("signature", "outages", "calls"),
    [("timeout", 50, 200), ("timeout", 200, 50), ("timeout", 1, 1), ("down | in shop.forbidden", 50, 200)],
)
def test_outages_do_not_add_up(signature, outages, calls):
    """However many there were, of ten lost calls each, the first hiccup of the health after them is repeated."""
    experience, successes = Experience(), 0
    for _ in range(outages):
        successes += calls
        for _ in range(10):
            experience.lost(signature, successes)
        assert gives_up(experience, signature, successes)

    assert not gives_up(experience, signature, successes + 1_000)
    assert calls < 200 or not gives_up(experience, signature, successes + 1)


@pytest.mark.parametrize("between", [0, 1, 4, 10])
def test_a_request_that_fails_while_others_succeed_is_given_up(between):
    """Its target is well, so it is the request: that it failed five times is enough, and holds while it comes again."""
    experience = lost(5, between=between)
    for number in range(5, 50):
        assert gives_up(experience, successes=between * number)
        experience.lost("timeout", between * number)


def test_what_says_itself_that_it_is_final_stays_so():
    """No health speaks against what a target has said of a request."""
    experience = lost(2, "500 | auth_error")

    assert gives_up(experience, "500 | auth_error", successes=10**6)


def test_that_repeats_were_in_vain_is_told_to_others_only_where_the_answer_says_so():
    """A process that has just begun does not give up for what was an outage of another one's."""
    for signature, known in (("timeout", False), ("500 | auth_error", True)):
        heir, experience = Experience(), lost(10, signature)
        heir.absorb(experience.take_news()[0], ())
        assert known is gives_up(heir, signature, successes=5)
        heir.absorb([[signature, "give_up", 0.5, 10, 0, 0]], ())  # as others have told it before
        assert known is gives_up(heir, signature, successes=5)


@pytest.mark.parametrize("signature", ["timeout", "500 | auth_error"])
def test_one_call_that_was_healed_brings_hope_back(signature):
    """A repeat that has worked makes the next ones worth it, until many calls are lost again."""
    experience = lost(50, signature)
    experience.healed([signature])

    assert not gives_up(experience, signature)
    assert not experience.is_grim
    for number in range(50, 60):
        experience.lost(signature, number)
    assert gives_up(experience, signature)
    assert experience.is_grim


def test_a_remedy_that_helps_now_and_then_or_was_never_tried_is_hope():
    """Nothing is given up that may still be mended."""
    helps = taught((OTHER, True, 2), (OTHER, False, 1), experience=lost(50))

    assert not gives_up(helps)
    assert None is lost(50).gives_up("timeout", [THIRD], lambda: 0)


# ── what is told to others ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_new_are_counts_that_add_up():
    """Two experiences that are told of one another's lessons know the same, in whatever order they hear of it."""
    one, two, three = Experience(), Experience(), Experience()
    taught((REFRESH, True, 3), (None, False, 2), experience=one, seconds=0.5)
    taught((REFRESH, False, 1), (OTHER, True, 1), experience=two)
    news = [one.take_news()[0], two.take_news()[0]]
    for rows in news:
        three.absorb(rows, ())

    assert [["timeout", "refresh", 0.9, 3, 0, 1_500_000], ["timeout", "wait", 0.5, 0, 2, 1_000_000]] == news[0]
    assert OTHER is chosen(three, REFRESH, OTHER) or REFRESH is chosen(three, REFRESH, OTHER)
    assert ([], []) == one.take_news()


def test_a_choice_may_be_made_while_somebody_learns():
    """Who reads in the middle of what another thread writes finds a remedy with its numbers, or none."""
    case, seen = Case(), []

    class Numbers(array):
        def extend(self, numbers):
            seen.append(case.score("new"))
            super().extend(numbers)
            seen.append(case.score("new"))

    case._numbers = Numbers("f")
    case.put("new", Score(0.9, 1.0, 1.0, 0.5))

    assert [None, None] == seen
    assert 1.0 == case.score("new").worked


# ── what is taken in late ────────────────────────────────────────────────────────────────────────────────────────────

VERDICTS = [(None, True)] * 70 + [(REFRESH, False), (None, False), (REFRESH, True), (None, True), (None, True)]
READERS = {
    "value": lambda experience: experience.value("timeout", REFRESH),
    "value of waiting": lambda experience: experience.value("timeout", None),
    "choose": lambda experience: chosen(experience, REFRESH, OTHER),
    "len": len,
    "to_dict": lambda experience: experience.to_dict(),
    "take_news": lambda experience: experience.take_news(),
    "gives_up": gives_up,
    "absorb": lambda experience: experience.absorb([["timeout", "wait", 0.5, 0, 9, 0]], ()) or experience.to_dict(),
    "lost": lambda experience: [experience.lost("timeout", 3), experience.to_dict()],
    "healed": lambda experience: [experience.healed(["timeout"]), experience.to_dict()],
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_verdicts_that_nobody_has_asked_about_yet_count_for_whoever_asks(read):
    """They wait, and are taken in together, in order: whoever asks finds what asking after each would have shown."""
    late, asked = Experience(), Experience()
    for remedy, worked in VERDICTS:
        for experience in (late, asked):
            experience.update("timeout", remedy, worked=worked, seconds=0.25)
        asked.to_dict()

    assert read(asked) == read(late)


def test_verdicts_that_wait_are_few():
    """Where nobody ever asks they take no more room than a few tuples."""
    experience = Experience()
    for number in range(1_000):
        experience.update(f"trouble {number}", None, worked=True)

    assert len(experience._fresh) < 64
    assert 24 == len(experience)
