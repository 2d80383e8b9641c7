"""The booking as a competent programmer writes it without a resilience library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from unbreakable.demo.bookings import DEADLINE, Booking, End, Verdict


class _Partner:
    """One partner's address and its token, which is fetched again when its announced lifetime is over."""

    def __init__(self, client: httpx2.AsyncClient, address: str) -> None:
        self._client = client
        self._address = address
        self._token = ""
        self._good_until = 0.0
        self._refreshing = asyncio.Lock()

    async def call(self, method: str, path: str, booking: Booking, **options: Any) -> dict[str, Any]:
        """Send one request and return the answer's body; anything but a success is an error."""
        headers = {"Authorization": f"Bearer {await self._fresh_token()}", "X-Booking": booking.id}
        response = await self._client.request(method, self._address + path, headers=headers, **options)
        if response.status_code == 401:
            self._good_until = 0.0  # the next booking gets a new one
        response.raise_for_status()
        return dict(response.json())

    async def _fresh_token(self) -> str:
        async with self._refreshing:
            if time.monotonic() >= self._good_until:
                asked = time.monotonic()
                response = await self._client.post(f"{self._address}/token")
                response.raise_for_status()
                answer = response.json()
                self._token, self._good_until = answer["access_token"], asked + answer["expires_in"]
            return self._token


class Unprotected:
    """Straight-line code on one plain client; use it as an async context manager."""

    def __init__(self, address: Callable[[str], str]) -> None:
        self._client = httpx2.AsyncClient()
        self._flights = _Partner(self._client, address("flights-primary"))
        self._hotels = _Partner(self._client, address("hotels"))
        self._payments = _Partner(self._client, address("payments"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def book(self, booking: Booking) -> Verdict:
        """Book flight and hotel within the deadline, and try to undo what was done when something fails."""
        undo: list[Callable[[], Awaitable[Mapping[str, Any]]]] = []
        try:
            async with asyncio.timeout(DEADLINE):
                await self._forward(booking, undo)
            return Verdict(end=End.DONE)
        except Exception as error:
            undone = [await _undone(step) for step in reversed(undo)]
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            return Verdict(end=End.COMPENSATED if all(undone) else End.FAILED, why=why)

    async def _forward(self, booking: Booking, undo: list[Callable[[], Awaitable[Mapping[str, Any]]]]) -> None:
        await self._flights.call("GET", "/search", booking, params={"city": booking.city})
        hold = await self._hotels.call("POST", "/holds", booking)
        undo.append(lambda: self._hotels.call("DELETE", f"/holds/{hold['id']}", booking))
        charge = await self._payments.call("POST", "/charges", booking, json={"amount": booking.amount})
        undo.append(lambda: self._payments.call("POST", f"/charges/{charge['id']}/refund", booking))
        ticket = await self._flights.call("POST", "/tickets", booking)
        undo.append(lambda: self._flights.call("DELETE", f"/tickets/{ticket['id']}", booking))
        await self._hotels.call("POST", f"/holds/{hold['id']}/confirm", booking)


async def _undone(step: Callable[[], Awaitable[Mapping[str, Any]]]) -> bool:
    try:
        await step()
    except Exception:
        return False
    return True
