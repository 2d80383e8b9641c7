"""The demo's partners are real processes: they keep their books when they are killed, and die with the demo."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.faults.processes import gone, is_alive

from unbreakable.demo.fleet import PARTNER_OF, Fleet
from unbreakable.demo.script import Fault, Outage, Script

pytestmark = pytest.mark.real

CALM = Script(seed=1, fault_rate=0.0)
FLAKY = Script(seed=1, fault_rate=0.5)
CHARGES = "POST /charges"


class Customer:
    """A caller that asks for a fresh token each time, until it gets one."""

    def __init__(self, client: httpx2.AsyncClient, fleet: Fleet) -> None:
        self.client = client
        self.fleet = fleet

    async def token(self, name: str) -> str:
        for _ in range(50):
            with contextlib.suppress(httpx2.HTTPError):
                answer = await self.client.post(f"{self.fleet.address(name)}/token", timeout=0.3)
                if answer.status_code == 200:
                    return answer.json()["access_token"]
        raise AssertionError("no token in fifty tries")

    async def ask(self, name, method, path, *, booking="b-1", key=None, token=None, **options) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token or await self.token(name)}", "X-Booking": booking}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.client.request(method, self.fleet.address(name) + path, headers=headers, **options)

    async def audit(self, name) -> dict:
        return (await self.client.get(f"{self.fleet.address(name)}/audit")).json()


@contextlib.asynccontextmanager
async def town(folder: Path, script: Script, **options) -> AsyncIterator[Customer]:
    async with Fleet(folder, script, **options) as fleet, httpx2.AsyncClient() as client:
        yield Customer(client, fleet)


def booking_that_meets(route: str, *wanted: tuple[Fault, bool], service: str = "payments") -> str:
    """Find a booking whose first requests meet these (fault, committed) turns."""
    for number in range(10_000):
        turns = [FLAKY.turn(service, route, f"b-{number}", visit) for visit in range(1, len(wanted) + 1)]
        if list(wanted) == [(turn.fault, turn.committed) for turn in turns]:
            return f"b-{number}"
    raise AssertionError("no such booking")


async def test_a_charge_whose_answer_was_torn_off_is_made_once(tmp_path):
    """The nasty case: committed, then reset; the same key brings the stored answer and no second charge."""
    booking = booking_that_meets(CHARGES, (Fault.RESET, True), (Fault.NONE, False), (Fault.NONE, False))
    async with town(tmp_path, FLAKY) as customer:
        charge = ("payments", "POST", "/charges")
        with pytest.raises(httpx2.ReadError):
            await customer.ask(*charge, booking=booking, key="k", json={"amount": 5})
        second = await customer.ask(*charge, booking=booking, key="k", json={"amount": 5})

        assert (201, {"id": 1, "state": "charged"}) == (second.status_code, second.json())
        audit = await customer.audit("payments")
        assert (1, 0) == (audit["charges"], audit["double_charges"])

        await customer.ask(*charge, booking=booking, json={"amount": 5})

        assert 1 == (await customer.audit("payments"))["double_charges"], "the service counts a careless second charge"


async def test_a_reset_before_the_effect_charges_nobody(tmp_path):
    """A connection torn before the effect leaves the books empty."""
    booking = booking_that_meets(CHARGES, (Fault.RESET, False))
    async with town(tmp_path, FLAKY) as customer:
        with pytest.raises(httpx2.ReadError):
            await customer.ask("payments", "POST", "/charges", booking=booking)

        assert 0 == (await customer.audit("payments"))["charges"]


async def test_refusals_and_silence(tmp_path):
    """A 500, a 503 that says when to come back, and a request that is never answered."""
    faults = (Fault.ERROR, Fault.UNAVAILABLE, Fault.HANG)
    broken, busy, mute = (booking_that_meets(CHARGES, (fault, False)) for fault in faults)
    async with town(tmp_path, FLAKY) as customer:
        assert 500 == (await customer.ask("payments", "POST", "/charges", booking=broken)).status_code
        answer = await customer.ask("payments", "POST", "/charges", booking=busy)
        assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
        with pytest.raises(httpx2.ReadTimeout):
            await customer.ask("payments", "POST", "/charges", booking=mute, timeout=0.2)


async def test_a_token_expires(tmp_path):
    """A token is good for the announced seconds, then it is refused until a new one is fetched."""
    async with town(tmp_path, CALM, token_lifetime=3.0) as customer:
        token, expires = await customer.token("hotels"), time.monotonic() + 3.0

        assert 201 == (await customer.ask("hotels", "POST", "/holds", token=token)).status_code
        await asyncio.sleep(expires + 0.05 - time.monotonic())
        assert 401 == (await customer.ask("hotels", "POST", "/holds", token=token)).status_code
        assert 201 == (await customer.ask("hotels", "POST", "/holds")).status_code


async def test_both_flights_processes_are_one_partner(tmp_path):
    """A ticket asked of both with one key is one ticket, a token of one is good at the other, the replica is fast."""
    async with town(tmp_path, CALM) as customer:
        token = await customer.token("flights-primary")
        both = ("flights-primary", "flights-replica")
        pairs = [
            await asyncio.gather(*(customer.ask(name, "POST", "/tickets", key=key, token=token) for name in both))
            for key in ("k", "l", "m")
        ]

        assert [slow.json() for slow, _ in pairs] == [fast.json() for _, fast in pairs]
        assert 3 == (await customer.audit("flights-primary"))["tickets"]
        assert min(fast.elapsed for _, fast in pairs) < min(slow.elapsed for slow, _ in pairs) / 3


async def test_a_killed_partner_refuses_then_comes_back_with_its_books(tmp_path):
    """SIGKILL loses no acknowledged charge and no key, every token, and the address stays the same."""
    async with town(tmp_path, CALM) as customer:
        token = await customer.token("payments")
        first = await customer.ask("payments", "POST", "/charges", key="k", token=token)
        old = customer.fleet.pid("payments")
        outage = asyncio.create_task(customer.fleet.suffer(Outage(service="payments", at=0.0, down=1.5)))
        await asyncio.sleep(0)
        assert gone([old])
        with pytest.raises(httpx2.ConnectError):
            await customer.audit("payments")
        await outage

        assert 401 == (await customer.ask("payments", "POST", "/charges", key="k", token=token)).status_code
        assert first.json() == (await customer.ask("payments", "POST", "/charges", key="k")).json()
        assert {"b-1": 1} == (await customer.audit("payments"))["standing"]
        assert 3 == (await customer.fleet.counts())["payments"]["requests"] - 2, "two tokens, three charges asked for"


async def test_counts_tell_what_was_received_and_what_was_needed(tmp_path):
    """A repeated request and an undone effect are load beyond the need."""
    async with town(tmp_path, CALM) as customer:
        for _ in range(3):
            await customer.ask("hotels", "POST", "/holds", key="k")
        await customer.ask("hotels", "DELETE", "/holds/1")

        assert {"requests": 8, "needed": 1, "tokens": 4, "effects": 1} == (await customer.fleet.counts())["hotels"]


async def test_counts_wait_for_an_effect_that_nobody_waits_for(tmp_path):
    """A caller that gave up does not make the books miss what is still to come."""
    async with town(tmp_path, CALM) as customer:
        token = await customer.token("flights-primary")
        with pytest.raises(httpx2.ReadTimeout):
            await customer.ask("flights-primary", "POST", "/tickets", token=token, timeout=0.05)

        assert 1 == (await customer.fleet.counts())["flights"]["effects"]


async def test_strange_requests_are_answered_or_dropped(tmp_path):
    """An unknown route is 404; what is not HTTP costs its connection and nothing else."""
    async with town(tmp_path, CALM) as customer:
        assert 404 == (await customer.ask("hotels", "GET", "/cellar")).status_code
        port = int(customer.fleet.address("hotels").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"this is not HTTP\r\n\r\n")
        assert b"" == await reader.read()
        writer.close()
        assert 0 == (await customer.audit("hotels"))["holds"]


async def test_closing_leaves_nobody_behind(tmp_path):
    """When the fleet is closed, a caller left hanging included, all processes are gone."""
    async with town(tmp_path, CALM) as customer:
        pids = [customer.fleet.pid(name) for name in PARTNER_OF]
        assert all(map(is_alive, pids))

    assert gone(pids)


def test_partners_die_with_a_demo_that_is_killed(tmp_path):
    """Even kill -9 of the demo, even while a partner is still waiting to open, leaves no orphan."""
    program = (
        "import asyncio, sys, time\n"
        "from pathlib import Path\n"
        "from unbreakable.demo.fleet import Fleet, PARTNER_OF\n"
        "from unbreakable.demo.script import Script\n"
        "async def main():\n"
        f"    async with Fleet(Path({str(tmp_path)!r}), Script(seed=1, fault_rate=0.0)) as fleet:\n"
        "        fleet.kill('hotels')\n"
        "        late = asyncio.create_task(fleet.start('hotels', opens_at=time.time() + 60))\n"
        "        await asyncio.sleep(0.3)\n"
        "        print(*(fleet.pid(name) for name in PARTNER_OF), flush=True)\n"
        "        await late\n"
        "asyncio.run(main())\n"
    )
    demo = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=_environment())
    assert demo.stdout is not None
    pids = [int(pid) for pid in demo.stdout.readline().split()]
    assert 4 == sum(map(is_alive, pids))
    demo.kill()
    demo.wait()
    demo.stdout.close()

    assert gone(pids)


def _environment() -> dict[str, str]:
    source = str(Path(sys.modules[Fleet.__module__].__file__ or "").parents[2])
    return {**os.environ, "PYTHONPATH": source}
