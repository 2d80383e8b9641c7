"""Dicts, lists and texts with headings become passages, and what is wrong in them is told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import ConfigurationError
from unbreakable.nodes.answering.passage import Passage
from unbreakable.nodes.answering.reading import MOST_DEPTH, Place, read_data, read_markdown


def read(data):
    return list(read_data(data, Place()))


def told(data):
    """Return titles and texts."""
    return [(passage.title, passage.text) for passage in read(data)]


def test_keys_are_titles():
    """Nested keys lead to the text, in a dict as deep as one likes."""
    assert [("Egypt: pyramids", "Old."), ("Egypt: Nile: delta", "Wide."), ("Peru", "High.")] == told(
        {"Egypt": {"pyramids": "Old.", "Nile": {"delta": "Wide."}}, "Peru": "High."}
    )


def test_a_list_holds_texts_and_entries():
    """An entry has a text, a title, a source, and context under every other key."""
    plain, entry = read(
        ["Old.", {"text": "Tall.", "title": "Pyramid", "source": "guide", "country": "Egypt", "years": [1, 2]}]
    )

    assert Passage(text="Old.") == plain
    assert (
        Passage(text="Tall.", title="Pyramid", source="guide", context={"country": ("Egypt",), "years": ("1", "2")})
        == entry
    )


def test_numbers_are_texts():
    """A fact may be a number."""
    assert [("people", "112000000"), ("share", "0.5")] == told({"people": 112_000_000, "share": 0.5})


def test_what_says_nothing_is_no_passage():
    """Empty texts, dicts and lists are nothing to know."""
    assert [] == told({"a": "", "b": [], "c": {}, "d": "  \n "})


def test_an_entry_stands_under_its_keys():
    """An entry inside a dict has the keys above it in its title."""
    assert [("Egypt: Nile", "Long.")] == told({"Egypt": [{"text": "Long.", "title": "Nile"}]})


CYCLE: dict = {}
CYCLE["again"] = CYCLE


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"Egypt": ["a", "b", "c", None]}, r"knowledge\['Egypt'\]\[3\] must be a text, a number, .* not None"),
        ({"Egypt": True}, r"knowledge\['Egypt'\] must be .* not True"),
        ({"Egypt": b"bytes"}, r"knowledge\['Egypt'\] must be .* not b'bytes'"),
        ({1.5: {2: object}}, r"knowledge\[1.5\]\[2\] must be"),
        ({None: "x"}, r"a key of knowledge must be a text or a number, not None"),
        ([{"title": "no text"}], r"""knowledge\[0\] must be a text, or a dict with a text under "text", not"""),
        ([{"text": "x", "title": ["y"]}], r"knowledge\[0\]\['title'\] must be a text or a number"),
        ([{"text": "x", "country": {"a": 1}}], r"knowledge\[0\]\['country'\] must be a text or a number"),
        ([{"text": "x", "country": "y" * 1_001}], r"knowledge\[0\]\['country'\] must be at most 1000 characters long"),
        ([{"text": "x", "tags": list(range(33))}], r"knowledge\[0\]\['tags'\] must be at most 32 values"),
        ([{"text": "x", **{f"k{n}": n for n in range(33)}}], r"knowledge\[0\] must be an entry of at most 32"),
        ({"n": 10**5_000}, r"knowledge\['n'\] must be .* not a number of so many digits"),
        ({"k" * 2_000: "x"}, r"a key of knowledge must be at most 1000 characters long"),
        (CYCLE, rf"must be at most {MOST_DEPTH} levels deep"),
        (["x" * 3, {"y"}], r"knowledge\[1\] must be"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(data, message):
    """The error names the path of the wrong part, what was expected, and shortly what was found."""
    with pytest.raises(ConfigurationError, match=message) as raised:
        read(data)

    assert len(str(raised.value)) < 1_500


def test_what_is_not_unicode_can_be_stored():
    """Lone surrogates, which no file can hold, become question marks."""
    assert [("a?", "b?")] == told({"a\ud800": "b\udfff"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(data):
    """Whatever JSON is given, it becomes passages or a ConfigurationError."""
    try:
        found = read(data)
    except ConfigurationError:
        return
    assert all(passage.text.strip() for passage in found)


def test_headings_are_titles():
    """The headings above a paragraph are its title; a heading of the same level ends the one before."""
    text = (
        "Before.\n\n# Egypt #\n\nOld.\n\n## Nile\nLong.\n\n### Delta\nWide.\n\n## Trade\nWheat.\n\n# Peru\nHigh.\n#hash"
    )

    assert [
        ("guide", "Before."),
        ("Egypt", "Old."),
        ("Egypt: Nile", "Long."),
        ("Egypt: Nile: Delta", "Wide."),
        ("Egypt: Trade", "Wheat."),
        ("Peru", "High. #hash"),
    ] == [(passage.title, passage.text) for passage in read_markdown(text, Place(titles=("guide",)))]
