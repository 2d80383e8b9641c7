"""A sentence that says the opposite has the same words, and is not the answer.

What is seen, in English only: a denial on one side, the pairs of opposites below, and words that change places around
*from*, *to* and *by*.  An opposite that is in no list is still a word of the question that the sentence does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from unbreakable.nodes.answering.stem import stem
from unbreakable.nodes.answering.words import stems, word_set

NEGATIONS = word_set("""
    no not never none nothing nobody nowhere neither nor cannot without except prohibited forbidden
""")
ARTICLES = word_set("a an the")
PLACES = word_set("from to by")
REACH = 5  # words after one of these that belong to it, in a sentence

# On each line, words and their opposites.
_LINES = """
    above over: below under
    accept approve: refuse reject decline
    after: before
    allow allowed permit: forbid forbidden prohibit prohibited ban
    arrive arrival: depart departure leave
    big biggest large larger largest: small smaller smallest
    birth born: death die died
    borrow: lend
    bottom lower: top upper
    buy bought buyer purchase: sell sold seller sale
    cheap cheapest: expensive
    close closed closing: open opened opening
    cold: hot warm
    connect: disconnect
    credit: debit
    dangerous unsafe: safe
    day: night
    decrease fall reduce: increase raise rise
    demand: supply
    deposit: withdraw
    disable: enable
    download: upload
    early: late
    earliest first: final last latest
    east eastern: west western
    employee: employer
    encrypt: decrypt
    enter entrance entry: exit
    exclude excluded: include included
    export exporter: import importer
    fail failure: succeed success
    father: mother
    fewest least minimum: maximum most
    friend: enemy
    give: take
    high higher highest: low lowest
    husband: wife
    illegal: legal
    impossible unable: able possible
    indoor inside: outdoor outside
    install: uninstall
    invalid: valid
    king: queen
    landlord: tenant
    left: right
    less: more
    lock locked: unlock unlocked
    long longer longest: short shorter shortest
    lose loser: win winner
    loss: profit
    man male men: female woman women
    new newest young youngest: old oldest
    north northern: south southern
    poor: rich
    receive: send
    start begin: end finish
    son: daughter
"""


def _table(lines: str) -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        here, there = (frozenset(map(stem, side.split())) for side in line.split(":"))
        table |= {word: table.get(word, frozenset()) | there for word in here}
        table |= {word: table.get(word, frozenset()) | here for word in there}
    return table


OPPOSITES = _table(_LINES)


def is_negated(words: Iterable[str]) -> bool:
    """Return whether the *words* of a sentence, in their order, deny something.

    >>> is_negated(["we", "don", "t", "sell"]), is_negated(["we", "sell"])
    (True, False)
    """
    before = ""
    for word in words:
        if word in NEGATIONS or (word == "t" and before.endswith("n")):
            return True
        before = word
    return False


def contradicts(asked: AbstractSet[str], said: AbstractSet[str]) -> bool:
    """Return whether the stems *said* have the opposite of one that was *asked* for, and not that one itself.

    >>> contradicts({"import", "oil"}, {"export", "oil"}), contradicts({"import", "oil"}, {"export", "import", "oil"})
    (True, False)
    """
    return any(not said.isdisjoint(OPPOSITES.get(word, ())) for word in asked - said)


def places(words: Sequence[str], reach: int = REACH) -> dict[str, frozenset[str]]:
    """Return the stems that stand behind *from*, *to* and *by*.

    >>> {word: sorted(there) for word, there in places(["from", "the", "delta", "to", "cairo"], reach=1).items()}
    {'from': ['delta'], 'to': ['cairo']}
    """
    found: dict[str, frozenset[str]] = {}
    for number, word in enumerate(words):
        if word in PLACES:
            behind = [each for each in words[number + 1 : number + 2 + reach] if each not in ARTICLES][:reach]
            found[word] = found.get(word, frozenset()) | frozenset(stems(behind))
    return found


def changes_places(
    asked: Mapping[str, AbstractSet[str]], said: Mapping[str, AbstractSet[str]], stems: AbstractSet[str]
) -> bool:
    """Return whether a sentence of these *stems* has a word that was asked for behind *from*, but elsewhere.

    >>> changes_places({"from": {"luxor"}}, {"from": {"cairo"}, "to": {"luxor"}}, {"cairo", "luxor", "train"})
    True
    """
    return any(place in said and not (there & stems <= said[place]) for place, there in asked.items())
