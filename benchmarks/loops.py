"""What loops cost and how late they are, beside a bare ``while True: await asyncio.sleep(...)`` and the peers.

Each measurement has a process of its own; all of one table are of one run, so that ratios hold on any machine.  Late
is how long after its place on the grid the operation begins.  ``kB`` is the memory that a loop takes, ``begin`` the
processor time to make and start it, ``CPU`` that of a tick.  The bare loop heals nothing and has no deadline: it is the
floor, and no peer.  Celery beat and arq need a broker, and rocketry an older pydantic: they are left out.

    ./dev bench loops              about two minutes; on a machine that has nothing else to do
    ./dev bench loops --full       100,000 loops, 10,000,000 failing iterations, 1,000,000 virtual ticks: hours
    ./dev bench loops --quick      a little of all, to see that it works
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks._home import make_home, python_of

PLAY = Path(__file__).with_name("_loops_play.py")
HOMES = {"loops": "_loops_requirements.txt", "loops-4": "_loops_requirements_4.txt"}
OURS = ("unbreakable", "unbreakable-plain")
HOME_OF = {"apscheduler-3": "loops", "aiocron": "loops", "apscheduler-4": "loops-4"}
COLUMNS = {"begin_us": "begin µs", "kb": "kB", "cpu_us": "CPU µs", "ran": "ran", "p50": "p50 ms", "p99": "p99 ms"}
OF_TEN_MS = {"ten_p50": "10 ms: p50", "ten_p99": "p99"}
Figures = dict[str, float | None]


class Plan(NamedTuple):
    """How much is measured."""

    seconds: float  #: for which loops are watched
    few: int  #: loops at 1 s
    many: int  #: loops at 10 s
    iterations: int
    failing: int
    ticks: int  #: in virtual time
    limit: float  #: seconds of processor time for the failing iterations, and for the ticks
    years: float  #: in virtual time


WHOLE = Plan(10, 1_000, 10_000, 20_000, 100_000, 100_000, 60, 1.0)
FULL = WHOLE._replace(seconds=30, many=100_000, failing=10_000_000, ticks=1_000_000, limit=1e9, years=10.0)
QUICK = Plan(2, 100, 200, 2_000, 2_000, 2_000, 10, 0.05)


def measured(side: str, what: str, *given: object) -> Figures:
    """Return what one process has measured; nothing where it could not."""
    python = python_of(HOME_OF[side]) if side in HOME_OF else Path(sys.executable)
    ran = subprocess.run([python, PLAY, what, *map(str, given)], capture_output=True, text=True, check=False)
    if ran.returncode or not ran.stdout:
        print(f"  {side:20} {(ran.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
        return {}
    figures: Figures = json.loads(ran.stdout.splitlines()[-1])
    return figures


def paced(sides: list[str], count: int, interval: float, seconds: float, *, beside: bool) -> dict[str, Figures]:
    """Print, and return, what each side comes to with so many loops."""
    columns = {**COLUMNS, **(OF_TEN_MS if beside else {})}
    also = " and one at 10 ms" if beside else ""
    print(f"\n{count:,} loops at {interval:g} s{also}, watched for {seconds:g} s")
    print(f"  {'':20} {' '.join(f'{title:>10}' for title in columns.values())}")
    table = {}
    for side in sides:
        figures = measured(side, "paced", side, count, interval, seconds, int(beside))
        if figures:
            cells = ("–" if figures[name] is None else f"{figures[name]:,.2f}" for name in columns)
            print(f"  {side:20} {' '.join(f'{cell:>10}' for cell in cells)}", flush=True)
            table[side] = figures
    lost(table, columns)
    return table


def lost(table: dict[str, Figures], columns: dict[str, str]) -> None:
    """Print the cells in which a peer is better than ours."""
    mine = table.get("unbreakable", {})
    for side, theirs in table.items():
        for name, title in columns.items():
            here, there = mine.get(name), theirs[name]
            if side in ("bare", *OURS) or here is None or there is None:
                continue
            is_worse, ratio = (here < there, here / there) if name == "ran" else (here > there, here / there)
            if is_worse and abs(ratio - 1.0) > 0.02:
                print(f"  lost to {side}: {title}, {here:,.2f} against {there:,.2f}: {ratio:.2f} times")


def goal(said: str, figure: float | None, most: float, unit: str) -> None:
    """Print whether a goal is met."""
    told = "not measured" if figure is None else f"{figure:,.2f} {unit}: {'met' if figure <= most else 'MISSED'}"
    print(f"  {said:58} at most {most:g} {unit}; {told}")


def costs(plan: Plan) -> float:
    """Print what an iteration costs; return the microseconds of an async one beyond a bare one's."""
    print(f"\nAn iteration that does nothing, one after the other: µs of CPU, median of 3 × {plan.iterations:,}")
    figures = measured("unbreakable", "overhead", plan.iterations)
    bare = figures["bare"] or 0.0
    for name, each in figures.items():
        print(f"  {name:34} {each:8.2f}   {(each or 0.0) / bare:6.1f} times the bare one")
    return (figures["async"] or 0.0) - bare


def virtual(plan: Plan) -> tuple[Figures, Figures, Figures]:
    """Print, and return, what failing iterations and ticks in virtual time come to."""
    failing = measured("unbreakable", "failing", plan.failing, plan.limit)
    print(f"\nFailing iterations, in virtual time: {failing['iterations']:,.0f}, {failing['us']:.0f} µs each;")
    print(f"  after the first {failing['after']:,.0f} of them memory grew by {failing['grown_kb']} kB")
    ticks = measured("unbreakable", "drift", plan.ticks, plan.limit)
    print(f"Ticks of five minutes, in virtual time: {ticks['ticks']:,.0f}, {ticks['us']:.0f} µs each;")
    print(f"  the worst was {ticks['off_ms']:g} ms off, {ticks['missed']:.0f} were missed")
    years = measured("unbreakable", "years", plan.years, plan.limit)
    print(f"Virtual years of it and of a loop by the calendar, each 100th run failing: {years['years']:g},", end=" ")
    print(f"{years['seconds']:.1f} s of CPU; {years['off']:.0f} ticks are not in the ledgers")
    return failing, ticks, years


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--many", type=int, help="loops at 10 s")
    parser.add_argument("--peers", default=",".join(HOME_OF), help="names, with commas; an empty word for none")
    asked = parser.parse_args()
    plan = FULL if asked.full else QUICK if asked.quick else WHOLE
    plan = plan._replace(many=asked.many or plan.many)
    peers = [name for name in asked.peers.split(",") if name]
    for home in dict.fromkeys(HOME_OF[name] for name in peers):
        make_home(home, Path(__file__).with_name(HOMES[home]))
    over = costs(plan)
    few = paced(["bare", *OURS, *peers], plan.few, 1.0, plan.seconds, beside=True).get("unbreakable", {})
    crowd = ["bare", "unbreakable", *(each for each in peers if each != "aiocron")]
    many = paced(crowd, plan.many, 10.0, max(10.0, plan.seconds), beside=False).get("unbreakable", {})
    failing, ticks, years = virtual(plan)
    print("\nGoals, which are for a machine of its own:")
    goals: list[tuple[str, float | None, float, str]] = [
        ("an iteration, beyond a bare one", over, 15.0, "µs"),
        (f"lateness of {plan.few:,} loops at 1 s and one at 10 ms, p50", few.get("p50"), 0.3, "ms"),
        (f"lateness of {plan.many:,} loops at 10 s, p99", many.get("p99"), 10.0, "ms"),
        (f"growth over {failing['iterations']:,.0f} failing iterations", failing["grown_kb"], 1_000.0, "kB"),
        (f"drift of {ticks['ticks']:,.0f} virtual ticks", ticks["off_ms"], 0.0, "ms"),
        ("ten virtual years", (years["seconds"] or 0.0) * 10.0 / plan.years, 60.0, "s"),
        ("ticks that are not in the ledgers of these", years["off"], 0.0, "ticks"),
    ]
    for each in goals:
        goal(*each)


if __name__ == "__main__":
    main()
