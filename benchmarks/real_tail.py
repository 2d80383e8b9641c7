"""What is left of the slow tail and the failures of real servers, beside the peers, and what that costs the servers.

The worlds are three of ``benchmarks/truth``: W1, 5 % stragglers x10; W4, 5 % failures; W8, a slow primary and a fast
replica.  They are served over HTTP by processes on this machine and asked by a process for each side, 200 calls a
second; nothing is simulated.  A round is played by one side after the other, in shuffled order: all meet the same calls
with the same luck, and these come whatever is still under way.  Every side begins cold and lives through all rounds;
one request beforehand, and numpy, which is imported, keep the loading of code out of it.

Seconds are counted from when a call was due.  A call without an answer counts as long as the deadline.  Extra load is
what the servers saw beyond one request a call, given up or not.  A gain is how much better ours is than that peer, with
a paired 95 % interval.  Peers are used as their quick starts have it.  hedge-python's sends ten copies a second at
most; ``hedge-python-told`` is told how many calls there are, and shown beside the others in W1.

    ./dev bench real-tail             all of it, about 8 minutes; on a machine that has nothing else to do
    ./dev bench real-tail --quick     two short rounds, to see that it works
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
from pathlib import Path

from benchmarks._home import make_home, python_of
from benchmarks._real_tail_figures import BLOCK, FIGURES, Side, side_of
from benchmarks._real_tail_play import Plan, all_played
from benchmarks._real_tail_sides import NOTHING, OURS, PEERS, SIDES, TOLD
from benchmarks._real_tail_verdicts import NEEDED, SHOWN, Verdict, judged, verdicts
from benchmarks.truth.worlds import WORLDS

HOME, REQUIREMENTS = "real-tail", Path(__file__).with_name("_real_tail_requirements.txt")
PLAYED = ["W1", "W4", "W8"]
WHOLE, QUICK = Plan(rounds=3, calls=1_600, seed=1), Plan(rounds=2, calls=100, seed=1)
FAIRLY = {False: "", True: ", its load beside those that do as well"}
Sides = dict[str, Side]


def asked_for() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help=f"of each world ({WHOLE.rounds})")
    parser.add_argument("--calls", type=int, help=f"of each side in a round ({WHOLE.calls})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", default=",".join(PLAYED), help="names, with commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="names, with commas")
    parser.add_argument("--quick", action="store_true", help="play two rounds, to see that it works")
    parser.add_argument("--json", action="store_true", help="print figures and verdicts as JSON instead")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    asked = parser.parse_args()
    for given, known in ((asked.worlds, PLAYED), (asked.peers, PEERS)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"{name!r} is none of {', '.join(known)}")
    if (asked.calls or 0) % BLOCK:
        parser.error(f"--calls must be a multiple of {BLOCK}, which are drawn again together, not {asked.calls}")
    return asked


def plan_of(asked: argparse.Namespace) -> Plan:
    """Return how much is to be played."""
    usual = QUICK if asked.quick else WHOLE
    return Plan(asked.rounds or usual.rounds, asked.calls or usual.calls, asked.seed)


def sides_of(world: str, peers: list[str]) -> list[str]:
    """Return who plays a world."""
    shown = [TOLD] if world == "W1" and "hedge-python" in peers else []
    return [side for side in SIDES if side in (OURS, NOTHING, *shown, *peers)]


def cells(side: str, sides: Sides) -> list[str]:
    """Return the figures of one side, as text."""
    return [f"{each.of(sides[side]):.{each.digits}f}{each.unit}" for each in FIGURES]


def show(world: str, sides: Sides, *, markdown: bool) -> None:
    """Print the figures of one world, a line a side."""
    head = [each.name for each in FIGURES]
    print(f"\n{world}: {WORLDS[world].title}; deadline {WORLDS[world].deadline:g} s\n")
    if markdown:
        print(f"| | {' | '.join(head)} |\n| --- |{' ---: |' * len(head)}")
    for name, row in [("", head), *((side, cells(side, sides)) for side in sides)][int(markdown) :]:
        print(f"| {name} | {' | '.join(row)} |" if markdown else f"{name:18}" + "".join(f"{cell:>13}" for cell in row))


def told(verdict: Verdict) -> str:
    """Return one verdict in words."""
    what = verdict.figure.name + (", shown only" if verdict.figure.name == SHOWN else "")
    among = " of those that do as well" if verdict.among != "all" else ""
    if verdict.gain is None:
        return f"  {what}: nobody does as well"
    better = "better" if verdict.is_better else "worse" if verdict.is_worse else "neither better nor worse"
    digits, unit = verdict.figure.digits, verdict.figure.unit
    gain = f"{verdict.gain.middle:+.{digits}f} ± {verdict.gain.half:.{digits}f}{unit}"
    return f"  {not verdict.is_worse!s:5} {what}: {gain} over {verdict.peer}, the best{among}: {better}"


def conclude(found: list[Verdict]) -> None:
    """Print whether the bound is kept."""
    print()
    for fairly, how in FAIRLY.items():
        counted = judged(found, fairly=fairly)
        better = sum(each.is_better for each in counted)
        print(f"nowhere worse than the best of the peers{how}: {not any(each.is_worse for each in counted)}")
        print(f"better than it in at least {NEEDED}{how}: {better >= NEEDED} ({better} of {len(counted)})")


def plain(found: dict[str, tuple[Sides, list[Verdict]]], plan: Plan) -> dict[str, object]:
    """Return what JSON can hold of it."""
    worlds = {
        world: {
            "sides": {name: {each.name: each.of(side) for each in FIGURES} for name, side in sides.items()},
            "verdicts": [
                {
                    "figure": each.figure.name,
                    "among": each.among,
                    "peer": each.peer,
                    "gain": each.gain and each.gain._asdict(),
                    "worse": each.is_worse,
                    "better": each.is_better,
                }
                for each in judgements
            ],
        }
        for world, (sides, judgements) in found.items()
    }
    return {**plan._asdict(), "versions": versions(), "worlds": worlds}


def versions() -> dict[str, str]:
    """Return which versions of the peers are played."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return {name.partition("[")[0]: version for name, _, version in (line.partition("==") for line in lines) if version}


def main() -> int:
    """Play what is asked for."""
    asked = asked_for()
    make_home(HOME, REQUIREMENTS, ".[api]")
    plan, peers = plan_of(asked), asked.peers.split(",")
    worlds = {world: sides_of(world, peers) for world in asked.worlds.split(",")}
    runs = asyncio.run(all_played(worlds, plan, python_of(HOME)))
    found: dict[str, tuple[Sides, list[Verdict]]] = {}
    for world in worlds:
        sides = {name: side_of(rounds, WORLDS[world].deadline) for name, rounds in runs[world].items()}
        found[world] = sides, verdicts(world, sides)
    if asked.json:
        print(json.dumps(plain(found, plan)))
        return 0
    listed = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"{plan.rounds} rounds of {plan.calls} calls, seed {plan.seed}")
    print(f"Python {platform.python_version()}; {listed}")
    for world, (sides, judgements) in found.items():
        show(world, sides, markdown=asked.markdown)
        print("", *map(told, judgements), sep="\n")
        for side, rounds in runs[world].items():
            errors = [each["errors"] for each in rounds]
            if any(errors):
                print(f"  {side} raised: {total(errors)}")
    conclude([each for _, judgements in found.values() for each in judgements])
    return 0


def total(errors: list[dict[str, int]]) -> str:
    """Return how often each error came, in words."""
    names = dict.fromkeys(name for each in errors for name in each)
    return ", ".join(f"{name} {sum(each.get(name, 0) for each in errors)}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
