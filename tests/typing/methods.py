"""Protected methods as their users write them: never run, only read by type checkers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar, assert_type

import unbreakable as ub

V = TypeVar("V")


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

    @staticmethod
    @ub.protect("weigh")
    def weigh(item: str) -> str:
        """Be a staticmethod."""
        return item

    @ub.protect("pack")
    @staticmethod
    async def pack(item: str, count: int = 1) -> int:
        """Be an async staticmethod in the other order."""
        return count * len(item)

    @staticmethod
    @ub.protect("hour")
    def hour() -> int:
        """Be a staticmethod that takes nothing."""
        return 9

    @ub.protect("rows")
    def rows(self, most: int) -> Iterator[str]:
        """Be a method that gives a generator."""
        yield "tea"

    @staticmethod
    @ub.protect("pages")
    async def pages(most: int) -> AsyncIterator[str]:
        """Be a staticmethod that gives an async generator."""
        yield "tea" * most

    @ub.priority("low")
    @ub.protect("look")
    async def look(self, item: str) -> Shop:
        """Be a method below a block."""
        return self


class Market(Shop):
    """A class that inherits them."""


class Box(Generic[V]):
    """A class of many types."""

    @ub.protect("put")
    def put(self, what: V) -> list[V]:
        """Be a method of one of them."""
        return [what]


async def use(shop: Shop, box: Box[int]) -> None:
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
    assert_type(Shop.order(shop, "tea"), int)
    assert_type(Shop.weigh("tea"), str)
    assert_type(Market().weigh.outcome("tea"), ub.Outcome[str])
    assert_type(await Shop.pack("tea", count=2), int)
    assert_type(await shop.pack("tea"), int)
    assert_type((Shop.hour(), shop.hour()), tuple[int, int])
    assert_type(next(shop.rows(3)), str)
    assert_type(await anext(Shop.pages(3)), str)
    assert_type(await Market().look("tea"), Shop)
    assert_type((await shop.look.outcome("tea")).value, Shop | None)
    assert_type(box.put(3), list[int])

    shop.order(7)  # type: ignore[arg-type]
    Shop.stock(7)  # type: ignore[arg-type]
    Shop.weigh(7)  # type: ignore[arg-type]
    await shop.pack("tea", 1, 2)  # type: ignore[call-arg]
    await Market.price()  # type: ignore[call-arg]
