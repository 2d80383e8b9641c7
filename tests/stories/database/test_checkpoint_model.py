"""Whatever is done in checkpoints inside checkpoints, the table ends up as a model in memory says."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.nodes import DatabaseNode

pytestmark = pytest.mark.real


class Undone(Exception):
    pass


# A part is a list of acts: a number is written, a mistake is made and forgiven, a part inside is kept or undone.
parts = st.recursive(
    st.lists(st.integers(0, 9) | st.just("mistake"), max_size=4),
    lambda inner: st.lists(st.integers(0, 9) | st.just("mistake") | st.tuples(st.booleans(), inner), max_size=4),
    max_leaves=12,
)


def modelled(part, rows):
    """Return the rows after *part*, from those before it."""
    for act in part:
        match act:
            case "mistake":
                pass
            case (kept, inner):
                rows = modelled(inner, rows) if kept else rows
            case number:
                rows = [*rows, number]
    return rows


async def played(part, tx):
    for act in part:
        match act:
            case "mistake":
                with contextlib.suppress(Exception):
                    await tx.execute("INSERT INTO numbers SELECT n FROM nowhere")
            case (kept, inner):
                with contextlib.suppress(Undone):
                    async with tx.checkpoint():
                        await played(inner, tx)
                        if not kept:
                            raise Undone
            case number:
                await tx.execute("INSERT INTO numbers VALUES (:n)", {"n": number})


def played_sync(part, tx):
    for act in part:
        match act:
            case "mistake":
                with contextlib.suppress(Exception):
                    tx.execute("INSERT INTO numbers SELECT n FROM nowhere")
            case (kept, inner):
                with contextlib.suppress(Undone), tx.checkpoint():
                    played_sync(inner, tx)
                    if not kept:
                        raise Undone
            case number:
                tx.execute("INSERT INTO numbers VALUES (:n)", {"n": number})


async def whole(db, part, kept):
    async with db.transaction() as tx:
        await played(part, tx)
        if not kept:
            raise Undone


def whole_sync(db, part, kept):
    with db.transaction_sync() as tx:
        played_sync(part, tx)
        if not kept:
            raise Undone


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_checkpoints_do_what_the_model_does(tmp_path, colour):
    """Any nesting of parts that are kept or undone, with mistakes in between, in a whole that is kept or undone."""
    db = DatabaseNode(f"sqlite:///{tmp_path / 'app.db'}", durability="process")
    db.query_sync("CREATE TABLE numbers (n INTEGER)")

    @given(part=parts, kept=st.booleans())
    def holds(part, kept):
        db.query_sync("DELETE FROM numbers")
        with contextlib.suppress(Undone):
            asyncio.run(whole(db, part, kept)) if colour == "async" else whole_sync(db, part, kept)
        rows = [row.n for row in db.query_sync("SELECT n FROM numbers ORDER BY rowid")]

        assert (modelled(part, []) if kept else []) == rows

    holds()
    db.aclose_sync()
