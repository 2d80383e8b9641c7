"""Protected methods as their users write them: never run, only read by type checkers."""

from __future__ import annotations

from typing import assert_type

import unbreakable as ub


class Shop:
    """A class whose methods of all sorts are protected."""

    @ub.protect("order")
    def order(self, item: str) -> int:
        """Be a method."""
        return len(item)

    @ub.protect("stock")
    @classmethod
    def stock(cls, item: str) -> int:
        """Be a classmethod."""
        return len(item)

    @ub.protect("prices")
    @classmethod
    async def price(cls, item: str, *, tax: float = 0.0) -> float:
        """Be an async classmethod."""
        return len(item) * (1 + tax)

    @classmethod
    @ub.protect("names")
    def name(cls, item: str) -> str:
        """Be a classmethod in the other order."""
        return item

    @ub.protect
    @classmethod
    def taxed(cls, item: str) -> float:
        """Be a classmethod under a decorator without arguments."""
        return len(item) * 1.1


class Market(Shop):
    """A class that inherits them."""


async def use(shop: Shop) -> None:
    """Bind the object or the class, and keep the other types."""
    assert_type(shop.order("tea"), int)
    assert_type(shop.order.outcome("tea"), ub.Outcome[int])
    assert_type(Shop.stock("tea"), int)
    assert_type(shop.stock("tea"), int)
    assert_type(Market.stock("tea"), int)
    assert_type(Shop.taxed("tea"), float)
    assert_type(Market().stock.outcome("tea"), ub.Outcome[int])
    assert_type(await Shop.price("tea", tax=0.1), float)
    assert_type(await shop.price.outcome("tea"), ub.Outcome[float])
    assert_type(Shop.name("tea"), str)
    assert_type(shop.name("tea"), str)

    shop.order(7)  # type: ignore[arg-type]
    Shop.stock(7)  # type: ignore[arg-type]
    await Market.price()  # type: ignore[call-arg]
