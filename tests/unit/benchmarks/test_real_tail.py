"""The comparison on real servers: all sides meet the same luck, all requests are seen, verdicts are what they say."""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import pytest
from benchmarks import _real_tail_figures
from benchmarks._real_tail_figures import FIGURES, Side, gains, side_of
from benchmarks._real_tail_play import Plan, fetched, played
from benchmarks._real_tail_server import Endpoint, luck_of, serve
from benchmarks._real_tail_verdicts import judged, verdicts

CALLS = 40


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(_real_tail_figures, "DRAWN", 100)


async def asked(port, path):
    """Return the status of the answer to a request, and how long it took."""
    began = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head.split()[1]), asyncio.get_running_loop().time() - began


async def test_all_sides_meet_the_luck_that_was_drawn_request_by_request():
    """Each call is made twice by two sides: its n-th request fails or not, and takes as long, as drawn."""
    async with await serve(Endpoint("W4", 0, CALLS, 1)) as server:
        port = server.sockets[0].getsockname()[1]
        for nth in range(2):
            draws = luck_of("W4", CALLS, 1, 0).listed(0, nth)
            for side in ("one", "other"):
                found = await asyncio.gather(*(asked(port, f"/{side}/0/{call}") for call in range(CALLS)))

                assert [status == 500 for status, _ in found] == [fault < 0.05 for fault in draws.fault]
                least = [
                    draws.notices[call] if status == 500 else draws.takes[call]
                    for call, (status, _) in enumerate(found)
                ]
                assert all(took > 0.9 * drawn for (_, took), drawn in zip(found, least, strict=True))
        assert 0 < sum(fault < 0.05 for fault in draws.fault) < CALLS


async def test_a_request_that_is_given_up_was_made_all_the_same():
    """It is cancelled as soon as the server has it, which then has nothing left to do."""
    async with await serve(Endpoint("W8", 0, CALLS, 1)) as server:
        port = server.sockets[0].getsockname()[1]
        request = asyncio.create_task(asked(port, "/side/3/7"))
        while not sum(await fetched(f"http://127.0.0.1:{port}", "/side/3")):
            pass
        request.cancel()
        await asyncio.wait([request])

        assert request.cancelled()
        assert await fetched(f"http://127.0.0.1:{port}", "/side/3") == [0] * 7 + [1] + [0] * (CALLS - 8)
        assert await fetched(f"http://127.0.0.1:{port}", "/side/2") == [0] * CALLS


async def test_real_processes_play_a_round():
    """What the world's luck lets fail has failed, and the server has seen each call once."""
    plan = Plan(rounds=1, calls=CALLS, seed=1)
    fails = [fault < 0.05 for fault in luck_of("W4", CALLS, 1, 0).listed(0, 0).fault]

    [found] = (await played("W4", ["nothing"], plan, sys.executable))["nothing"]

    assert found["made"] == [1] * CALLS
    assert len(found["took"]) == CALLS
    assert not any(fine and failed for fine, failed in zip(found["fine"], fails, strict=True))
    assert sum(found["errors"].values()) == CALLS - sum(found["fine"])


def side(took, *, blocks=12, extra=0.0, lost=0.0):
    """Return what came of a side that takes about so long in every round."""
    noise = np.random.default_rng(3).uniform(0.99, 1.01, (blocks, 100))
    fine = np.arange(100)[None, :].repeat(blocks, 0) >= 100 * lost
    return Side(np.where(fine, took * noise, 1.0), fine, np.full((blocks, 100), 1 + extra))


def test_a_call_without_an_answer_counts_as_long_as_the_deadline():
    """Of each four calls one has none, which asked twice; of the two rounds of two blocks there are four rows."""
    quick = {"took": [0.1, 0.2, 0.01, 0.3] * 50, "fine": [True, True, False, True] * 50, "made": [1, 1, 2, 1] * 50}

    found = side_of([quick, quick], 1.0)

    assert found.took.shape == (4, 100)
    assert [each.of(found) for each in FIGURES] == pytest.approx([75.0, 250.0, 1000.0, 25.0])


def test_a_gain_is_beyond_its_interval_or_it_is_none():
    """Twice as fast is better, the same is neither, a tenth more requests are worse."""
    found = gains({"ours": side(0.1, extra=0.1), "slow": side(0.2), "same": side(0.1, extra=0.1)}, "ours")

    assert found["slow"]["p99"].is_better
    assert not found["slow"]["p99"].is_worse
    assert found["slow"]["extra load"].is_worse
    assert not any(each.is_better or each.is_worse for each in found["same"].values())


def test_noise_is_no_gain():
    """Two sides that differ by chance alone, in every round by as much, are not told apart."""
    dice = np.random.default_rng(5)
    one, other = (Side(dice.lognormal(0, 1, (12, 100)), np.ones((12, 100), bool), np.ones((12, 100))) for _ in range(2))

    assert not any(each.is_better or each.is_worse for each in gains({"a": one, "b": other}, "a")["b"].values())


def test_load_is_compared_with_those_that_do_as_well():
    """Who sends no copies has the least load, and is slow; of those that are as fast, ours has the least."""
    sides = {
        "unbreakable": side(0.1, extra=0.05),
        "tenacity": side(0.5),
        "hedge-python": side(0.1, extra=0.09),
        "nopanic": side(0.1, extra=0.01, lost=0.02),
    }

    found = verdicts("W1", sides)

    literally, fairly = ({each.figure.name: each for each in judged(found, fairly=fairly)} for fairly in (False, True))
    assert (literally["extra load"].peer, literally["extra load"].is_worse) == ("tenacity", True)
    assert (fairly["extra load"].peer, fairly["extra load"].is_better) == ("hedge-python", True)
    assert list(fairly) == ["success", "p99", "extra load"]
