"""A sentence answers where, why, how or who only if it tells a place, a reason, a way or somebody.

What is seen, in English only: words that stand before a place, give a reason or name a way; names; and who does what to
whom, by the order of the words.  A sentence without them may be about the same things, and is not the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from unbreakable.nodes.answering.stem import stem
from unbreakable.nodes.answering.words import AUXILIARIES, EMPTY, NUMBERS, word_set

BEFORE_PLACES = word_set("""
    above across against along alongside around at atop behind below beneath beside between beyond facing in inside near
    on opposite outside over past under underneath
""")
PLACES = word_set("""
    abroad address downstairs east eastern everywhere here indoors located location nearby north northern outdoors south
    southern upstairs west western
""")
NO_PLACES = word_set("""
    afternoon april august autumn century christmas date day days december decade end era evening february friday
    holidays hour hours january july june march may midday midnight minute minutes moment monday month months morning
    night noon november october order period saturday season second seconds september spring summer sunday sunrise
    sunset thursday time times total tuesday wednesday week weekdays weekend weekends weeks winter year years
""")
REASONS = word_set("""
    because cause caused causes due hence lest owing purpose purposes reason reasons since so thanks therefore thus why
""")
WAYS = word_set("""
    airport app apply ask bike bicycle boat book bring bus buses by call camel car click coach cycle drive email ferry
    fill first flight flights fly foot form go metro online pass pay phone plane press railway reach register ride road
    send ship shuttle sign signing step steps subway take taxi taxis then through train trains tram tube use using via
    visit walk website with write
""")
PEOPLE = word_set("""
    adults anybody anyone child children everybody everyone family folk friends guests he i king men nobody people queen
    she staff students they visitors we who woman women
""")
DOERS = ("er", "ers", "or", "ors", "gist", "gists", "ian", "ians", "ent", "ents", "ant", "ants")


def tells_where(words: Sequence[str]) -> bool:
    """Return whether the *words* of a sentence, in their order, tell a place.

    >>> tells_where(["it", "opens", "at", "6", "in", "the", "morning"]), tells_where(["it", "lies", "in", "jordan"])
    (False, True)
    """
    return any(_is_place(words, number) for number in range(len(words)))


def _is_place(words: Sequence[str], number: int) -> bool:
    if words[number] in PLACES:
        return True
    if words[number] not in BEFORE_PLACES:
        return False
    behind = [word for word in words[number + 1 : number + 5] if word not in EMPTY][:2]
    return bool(behind) and not any(_is_time(word) for word in behind)


def _is_time(word: str) -> bool:
    return not NO_PLACES.isdisjoint((word, word.removesuffix("s"))) or word in NUMBERS or word[0].isdigit()


def tells_why(words: AbstractSet[str]) -> bool:
    """Return whether a sentence of these *words* gives a reason."""
    return not REASONS.isdisjoint(words)


def tells_how(words: Sequence[str]) -> bool:
    """Return whether the *words* of a sentence, in their order, name a way.

    >>> tells_how(["it", "was", "built", "by", "them"]), tells_how(["take", "the", "bus"])
    (False, True)
    """
    done_by = any(word == "by" and _is_passive(words, number) for number, word in enumerate(words))
    return not (WAYS - ({"by"} if done_by else set())).isdisjoint(words)


def tells_who(words: Sequence[str], names: AbstractSet[str], asked: AbstractSet[str]) -> bool:
    """Return whether a sentence names somebody who was not *asked* for; *names* are the stems of its capitals."""
    if names - asked or not PEOPLE.isdisjoint(words):
        return True
    return any(word.endswith(DOERS) and stem(word) not in asked for word in words) or "by" in words


# ── who does what to whom ───────────────────────────────────────────────────────────────────────────────────────────


def roles(words: Sequence[str], named: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return the stems of who does, what is done, and to whom, as a question asks; "" for who is asked for.

    >>> roles(["who", "manages", "anna"], {"anna": "Anna"})
    ('', 'manag', 'anna')
    >>> roles(["does", "bob", "manage", "anna"], {"bob": "Bob", "anna": "Anna"})
    ('bob', 'manag', 'anna')
    """
    told = [stem(word) for word in words if word not in EMPTY]
    if "by" in words or len(words) < 3:
        return None
    if words[0] in {"who", "whom"} and words[1] not in AUXILIARIES and len(told) == 2 and told[1] in named:
        return "", told[0], told[1]
    if words[0] in {"who", "whom"} and words[1] in AUXILIARIES and len(told) == 2 and told[0] in named:
        return told[0], told[1], ""
    if (
        words[0] in {"do", "does", "did", "can", "will", "may"}
        and len(told) == 3
        and {told[0], told[2]} <= named.keys()
    ):
        return told[0], told[1], told[2]
    return None


def other_way_round(asked: tuple[str, str, str], words: Sequence[str]) -> bool:
    """Return whether a sentence says of the one who was *asked* for as doing that it is done to him, or the reverse.

    >>> other_way_round(("", "manag", "anna"), ["anna", "manages", "bob"])
    True
    >>> other_way_round(("", "manag", "bob"), ["anna", "manages", "bob"])
    False
    """
    who, what, whom = asked
    told = [stem(word) for word in words]
    if what not in told:
        return False
    at = told.index(what)
    before, after = (set(told[:at]), set(told[at + 1 :]))
    if "by" in after and not AUXILIARIES.union({"is", "be", "been", "being"}).isdisjoint(words[:at]):
        before, after = after, before
    return (bool(who) and who in after and who not in before) or (bool(whom) and whom in before and whom not in after)


def _is_passive(words: Sequence[str], number: int) -> bool:
    """Return whether the "by" at *number* follows something that was done."""
    return any(word.endswith(("ed", "ilt", "ung", "ten", "wn")) for word in words[max(0, number - 2) : number])
