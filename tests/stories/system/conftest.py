"""A small workflow of two steps: find a flight, book it."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


async def search(ctx: ub.Context) -> dict[str, str]:
    """Find a flight."""
    return {"flight": "MS 777", "for": (ctx.input or {}).get("city", "anywhere")}


async def book(ctx: ub.Context) -> str:
    """Book what was found."""
    return f"booked {ctx.results['search']['flight']}"


@pytest.fixture
def steps():
    """Return the configuration of the workflow."""
    return {"steps": [{"id": "search", "name": "Search", "operation": search}, {"id": "book", "operation": book}]}


@pytest.fixture
def virtual():
    """Let time be virtual."""
    with virtual_time() as clock:
        yield clock
