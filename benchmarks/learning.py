"""How fast healing learns: fewer attempts the second time, the right remedy the tenth, deaths foreseen.

Everything happens in virtual time with the real policies.  In each run 50 sorts of failure come back in random order;
each has one right remedy of six, every one as often as the others, which are registered in random order.  A token dies
every 3,600 seconds under traffic that comes at random; a death that a call ran into is counted by the token itself, not
by who claims that he has prevented it.  Last, in real time, how late an event loop is while something is learned.
"""

from __future__ import annotations

import itertools
import random
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks._stalls import RATE, stalls

import unbreakable as ub
from unbreakable.testing import virtual_time

SEEDS = 20
STALLS = 5, 10.0  # times that an event loop is watched; for so many seconds
SORTS, REMEDIES, TIMES = 50, 6, 10
PATIENT = {"retry": ub.Retry(8), "breaker": False, "budget": False, "effects": "idempotent", "deadline": 1e6}


class Trouble(Exception):
    """One sort of failure; its message differs in what does not matter, too."""


class Broken:
    """A service that breaks in one of 50 ways, each of which one remedy mends."""

    def __init__(self, dice: random.Random) -> None:
        self.dice, self.attempts, self.mended = dice, 0, list[int]()
        self.right = dict(zip(dice.sample(words(), SORTS), itertools.cycle(range(REMEDIES)), strict=False))
        self.node = ub.FractalNode("service", self.work, **PATIENT)
        order = list(range(REMEDIES))
        dice.shuffle(order)
        for number in order:
            self.node.remedy(Trouble, name=f"remedy {number}")(lambda failure, number=number: self.mend(number))

    def work(self, ctx: ub.Context) -> int:
        """Fail until the right remedy was applied."""
        self.attempts += 1
        if self.right[ctx.input] not in self.mended:
            raise Trouble(f"{ctx.input} broke after {self.dice.randrange(10**6)} rows of 'table {self.dice.random()}'")
        return 1

    def mend(self, number: int) -> None:
        """Apply a remedy."""
        self.mended.append(number)

    def occur(self, word: str) -> tuple[int, bool, bool]:
        """Let *word* break once; return the attempts, whether the first remedy was right, whether it was healed."""
        self.attempts, self.mended = 0, []
        outcome = self.node.execute_sync(context=word)
        return self.attempts, self.mended[:1] == [self.right[word]], outcome.ok


def words() -> list[str]:
    """Return as many words as there are sorts of failure."""
    return [f"{first}{second}" for first in ("disk", "pool", "lock", "queue", "shard") for second in "abcdefghij"]


def learn(seed: int) -> dict[str, float]:
    """Play ten occurrences of every sort, then change every right remedy and count what it takes to recover."""
    dice = random.Random(seed)
    with virtual_time(seed):
        service, rounds = Broken(dice), []
        for _ in range(TIMES):
            order = words()
            dice.shuffle(order)
            rounds.append([service.occur(word) for word in order])
        takes = [recovery(service, word) for word in words()]
    first, second = (statistics.mean(attempts for attempts, _, _ in rounds[turn]) for turn in (0, 1))
    return {
        "attempts the first time": first,
        "attempts the second time": second,
        "fewer attempts the second time, %": 100 * (1 - second / first),
        "right remedy first the tenth time, %": 100 * statistics.mean(right for _, right, _ in rounds[9]),
        "healed, %": 100 * statistics.mean(ok for turn in rounds for *_, ok in turn),
        "occurrences until recovered, mean": statistics.mean(takes),
        "occurrences until recovered, most": max(takes),
    }


def recovery(service: Broken, word: str) -> int:
    """Change the right remedy; return after how many occurrences it is asked first, three times in a row."""
    service.right[word] = (service.right[word] + 1 + service.dice.randrange(REMEDIES - 1)) % REMEDIES
    in_a_row = 0
    for number in range(1, 61):
        in_a_row = in_a_row + 1 if service.occur(word)[1] else 0
        if in_a_row == 3:
            return number - 3
    return 60


def foresee(seed: int, lives: int = 300, life: float = 3_600.0, between: float = 20.0) -> dict[str, float]:
    """Let a token die so often under random traffic; return how many deaths were prevented after the third."""
    dice = random.Random(seed)
    with virtual_time(seed) as clock:
        born, deaths, logins, third = clock.now(), list[float](), list[float](), 0.0

        @ub.protect("token", effects="idempotent", breaker=False, budget=False)
        def call() -> int:
            nonlocal third
            if clock.now() - born < life:
                return 1
            deaths.append(clock.now())
            third = clock.now() if len(deaths) == 3 else third
            raise PermissionError("401 token expired")

        @call.remedy(PermissionError)
        def log_in(failure: ub.Failure) -> None:
            nonlocal born
            born = clock.now()
            logins.append(born)

        end = clock.now() + lives * life
        while clock.now() < end:
            clock.advance(dice.expovariate(1 / between))
            call()
        (told,) = call.node.get_status().foresights.values()
        met, due = len(deaths) - 3, len([moment for moment in logins if moment > third])
    return {
        "deaths after the third prevented, %": 100 * (1 - met / due),
        "left out as a control, %": 100 * told["abstained"] / max(1, told["applied"] + told["abstained"]),
        "claimed / true number of prevented deaths": told["prevented"] / (due - met),
    }


def table(rows: Sequence[dict[str, Any]]) -> None:
    """Print the median of each figure, with its least and most."""
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        print(f"  {name:45} {statistics.median(values):7.2f}   ({values[0]:.2f} to {values[-1]:.2f})")


def main() -> None:
    """Print both tables."""
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
    print(f"seeds {seeds[0]} to {seeds[-1]}; median (least to most)")
    print(f"{SORTS} sorts of failure, one right remedy of {REMEDIES}, attempts=8")
    table([learn(seed) for seed in seeds])
    print("a token that dies every 3,600 s, a call every 20 s on average, 300 lives")
    table([foresee(seed) for seed in seeds])
    times, seconds = STALLS
    print(f"an event loop with {RATE:,} calls a second to one target, {times} times {seconds:.0f} s")
    table([stalls(seconds) for _ in range(times)])


if __name__ == "__main__":
    main()
