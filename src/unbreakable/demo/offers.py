"""What each partner offers: flights, hotels, payments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unbreakable.demo.ledger import Body, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a request asks of a partner's books."""

    booking: str
    identity: int | None = None
    city: str = ""
    amount: int = 0


Effect = Callable[[Ledger, Order], tuple[int, Body]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked for; `undoes` marks what a booking asks only after something went wrong."""

    method: str
    path: str
    effect: Effect
    undoes: bool = False

    @property
    def name(self) -> str:
        """The route as it stands in the books: `POST /holds/{id}/confirm`."""
        return f"{self.method} {self.path}"

    def match(self, method: str, path: str) -> int | None:
        """Return the number in the path, 0 where the route has none, or None when this is another route's request."""
        ours, theirs = self.path.split("/"), path.split("/")
        if method != self.method or len(ours) != len(theirs):
            return None
        found = 0
        for expected, actual in zip(ours, theirs, strict=True):
            if expected == "{id}" and actual.isdigit():
                found = int(actual)
            elif expected != actual:
                return None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A partner: the noun it keeps books of, its routes, which states stand and which of them are final."""

    noun: str
    routes: tuple[Route, ...]
    standing: tuple[str, ...]
    final: str


def _create(state: str) -> Effect:
    def create(ledger: Ledger, order: Order) -> tuple[int, Body]:
        record = ledger.add(order.booking, state, order.amount)
        return 201, {"id": record.id, "state": state}

    return create


def _change(state: str, *, allowed: tuple[str, ...]) -> Effect:
    def change(ledger: Ledger, order: Order) -> tuple[int, Body]:
        record = ledger.find(order.identity or 0)
        if record is None:
            return 404, {"error": "there is no such thing"}
        if record.state not in (*allowed, state):
            return 409, {"error": f"it is {record.state}"}
        ledger.change(record.id, state)
        return 200, {"id": record.id, "state": state}

    return change


def _search(ledger: Ledger, order: Order) -> tuple[int, Body]:
    price = 90 + sum(order.city.encode()) % 400
    return 200, {"flights": [{"flight": f"UB{price}", "city": order.city, "price": price}]}


FLIGHTS = Offer(
    noun="tickets",
    routes=(
        Route(method="GET", path="/search", effect=_search),
        Route(method="POST", path="/tickets", effect=_create("issued")),
        Route(method="DELETE", path="/tickets/{id}", effect=_change("cancelled", allowed=("issued",)), undoes=True),
    ),
    standing=("issued",),
    final="issued",
)
HOTELS = Offer(
    noun="holds",
    routes=(
        Route(method="POST", path="/holds", effect=_create("held")),
        Route(method="POST", path="/holds/{id}/confirm", effect=_change("confirmed", allowed=("held",))),
        Route(
            method="DELETE", path="/holds/{id}", effect=_change("released", allowed=("held", "confirmed")), undoes=True
        ),
    ),
    standing=("held", "confirmed"),
    final="confirmed",
)
PAYMENTS = Offer(
    noun="charges",
    routes=(
        Route(method="POST", path="/charges", effect=_create("charged")),
        Route(
            method="POST", path="/charges/{id}/refund", effect=_change("refunded", allowed=("charged",)), undoes=True
        ),
    ),
    standing=("charged",),
    final="charged",
)
OFFERS = {"flights": FLIGHTS, "hotels": HOTELS, "payments": PAYMENTS}
