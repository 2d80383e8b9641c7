"""What a question costs, and what it costs to read, open and judge a body of knowledge."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from unbreakable.nodes import AgentNode, KnowledgeBase

SIZES = (100, 10_000, 100_000)  # passages
WORDS = 20_000  # in the language of the benchmark, the n-th used 1 / n as often as the first
EACH = 60  # words of a passage


def language(dice: random.Random) -> Callable[[int], list[str]]:
    """Return a function that draws words as people use them."""
    words = ["".join(dice.choices("bcdfghklmnprst", k=2)) + f"{number:x}a" for number in range(WORDS)]
    weights = [1 / (number + 10) for number in range(WORDS)]
    return lambda many: dice.choices(words, weights, k=many)


def texts(draw: Callable[[int], list[str]], size: int) -> Iterator[dict[str, str]]:
    """Yield entries of five sentences."""
    for _ in range(size):
        found = draw(EACH)
        sentences = (" ".join(found[start : start + EACH // 5]).capitalize() for start in range(0, EACH, EACH // 5))
        yield {"title": " ".join(draw(3)), "text": ". ".join(sentences) + "."}


def spent(work: Callable[[], object]) -> float:
    """Return the seconds that *work* takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(size: int, folder: Path, seconds: float) -> str:
    """Return a line of the table."""
    draw, path = language(random.Random(size)), folder / f"{size}.db"
    entries = list(texts(draw, size))
    reading = spent(lambda: KnowledgeBase(entries, path=path).close())
    agents: list[AgentNode] = []
    opening = spent(lambda: agents.append(AgentNode(knowledge=path)))
    (agent,) = agents
    asking: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        question = "Which " + " ".join(draw(5)) + "?"
        asking.append(spent(lambda: agent.process_query_sync(question)))  # noqa: B023 - called at once
    asking.sort()
    p50, p99, most = (1e3 * asking[int((len(asking) - 1) * share)] for share in (0.5, 0.99, 1.0))
    response = agent.process_query_sync("Which " + " ".join(draw(5)) + "?")
    judging = min(spent(lambda: agent.feedback_sync(response, good=True)) for _ in range(20))
    megabytes = path.stat().st_size / 2**20
    return (
        f"{size:>8} {reading:>8.2f} {megabytes:>8.1f} {1e3 * opening:>8.1f}"
        f" {p50:>8.2f} {p99:>8.2f} {most:>8.2f} {1e3 * judging:>8.2f}"
    )


def main(seconds: float) -> None:
    """Print the table."""
    print("passages   read s  file MB  open ms   p50 ms   p99 ms   max ms judge ms")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            print(measure(size, Path(folder), seconds), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of questions for each line of the table (3)")
    main(parser.parse_args().seconds)
