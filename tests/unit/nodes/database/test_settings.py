"""Wrong settings of a database node are refused where they are written."""

from __future__ import annotations

import subprocess
import sys

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.nodes import DatabaseNode


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"connection": "app.db"}, "connection must be the URL of a SQLite database such as .*, not 'app.db'"),
        ({"connection": 7}, "connection must be the URL .*, not 'int'"),
        ({"connection": None}, "connection must be the URL"),
        ({"connection": "sqlite://app.db"}, "with three slashes before the path"),
        ({"connection": "sqlite:///app.db?mode=ro"}, "without anything after a question mark"),
        ({"connection": "sqlite:///file:app.db"}, "with a plain path"),
        ({"connection": "sqlite:///a\0b"}, "with a plain path"),
        ({"connection": "sqlite:////"}, "with a file and not a folder"),
        ({"connection": "postgresql+asyncpg://ada:s3cret@db/app"}, "'postgresql.asyncpg' is not offered yet"),
        ({"connection": "sqlite+pysqlcipher://:s3cret@/app.db"}, "'sqlite.pysqlcipher' is not offered yet"),
        ({"durability": "fast"}, 'durability must be "process" or "durable", not \'fast\''),
        ({"keep": 0}, "keep must be a whole number from 1 up"),
        ({"most_rows": 0}, "most_rows must be a whole number from 1 up"),
        (
            {"pool_size": 5},
            "pool_size is not an option; there are connection, durability, keep, ",
        ),
    ],
)
def test_a_wrong_setting_is_refused(settings, complaint):
    """The message holds the path of what is wrong and what was expected; secrets are not repeated."""
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        DatabaseNode(**settings)

    assert "s3cret" not in str(raised.value)


def test_nothing_is_touched_before_it_is_asked(tmp_path, monkeypatch):
    """A node is made without a file; its path is settled where it was made."""
    monkeypatch.chdir(tmp_path)
    node = DatabaseNode()

    assert ("app.db", str(tmp_path / "app.db"), []) == (node.name, node.get_status().database, [*tmp_path.iterdir()])


def test_the_name_is_the_file():
    """A node is called as its file, unless it is given a name."""
    names = [DatabaseNode("sqlite:////var/shop.db").name, DatabaseNode("sqlite://").name, DatabaseNode(name="a").name]

    assert ["shop.db", ":memory:", "a"] == names


def test_what_a_call_does_is_known():
    """What reads may be repeated; what writes only after it was undone; neither is hedged or given a learned limit."""
    node = DatabaseNode("sqlite://")
    effects = [
        node.targets.of((call,), {}).plan.effects
        for call in ("SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "DELETE FROM a", "PRAGMA user_version", print)
    ]

    assert ["none", "none", "once", "once", "once"] == effects
    assert "none" == node.targets.of((), {"sql": "VALUES (1)"}).plan.effects
    assert (False, False) == (node.settings.leaves("hedge"), node.settings.leaves("timeout"))


def test_what_is_pinned_stays_pinned():
    """A time limit, a hedge or effects that the user sets are taken as they are."""
    node = DatabaseNode("sqlite://", effects="idempotent", strategy=ub.Strategy("mine", timeout=ub.Timeout(1.0)))

    assert (1.0, "idempotent") == (node.target.plan.limit, node.targets.of(("DELETE FROM a",), {}).plan.effects)


WITHOUT = """
import sys
sys.modules["sqlalchemy"] = None
import unbreakable.nodes
try:
    unbreakable.nodes.DatabaseNode()
except ImportError as error:
    print(error)
print([name for name in sys.modules if name.startswith(("sqlalchemy.", "sqlite3"))])
"""


@pytest.mark.real
def test_without_sqlalchemy_it_says_what_to_install():
    """Importing the nodes needs and loads nothing; making this one tells what is missing."""
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout

    assert "DatabaseNode needs SQLAlchemy: pip install 'unbreakable[database]'\n[]\n" == told
