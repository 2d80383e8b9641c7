"""The context limits the answer to what it names."""

from __future__ import annotations

import pytest

from unbreakable.nodes import AgentNode, KnowledgeBase

ENTRIES = [
    {"text": "The library is open from ten to six.", "title": "Hours", "branch": "Central"},
    {"text": "The library is open from noon to four.", "title": "Hours", "branch": ["Harbour", "North Side"]},
    {"text": "A library card costs 3 pounds.", "title": "Card"},
]


def texts(knowledge, question, context):
    return [match.passage.text for match in knowledge.search(question, context)]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"branch": "Central"}, [0, 2]),
        ({"branch": "HARBOUR"}, [1, 2]),
        ({"branch": "north-side"}, [1, 2]),
        ({"branch": ["Central", "Harbour"]}, [0, 1, 2]),
        ({"branch": "Airport"}, [2]),
        ({"BRANCH": "Central"}, [0, 2]),
        ({"city": "London"}, [0, 1, 2]),
        ({"section": "Hours"}, [0, 1]),
        ({"section": "Hours", "branch": "Central"}, [0]),
        ({"branch": None}, [0, 1, 2]),
        ({"branch": ""}, [0, 1, 2]),
        ({"": "Central", " ": "Central"}, [0, 1, 2]),
        (None, [0, 1, 2]),
    ],
)
def test_a_field_rules_out_other_values(context, expected):
    """Entries with another value in that field are left out, those without the field stay; a title limits to itself."""
    with KnowledgeBase(ENTRIES) as knowledge:
        found = texts(knowledge, "library", context)

    assert sorted(ENTRIES[number]["text"] for number in expected) == sorted(found)


@pytest.mark.parametrize("where", ["Egypt", "egypt", " EGYPT! ", ("Egypt",), {"Egypt"}])
def test_a_key_above_limits_to_what_is_below(egypt, where):
    """The name of a part of the knowledge limits the search to it, under whatever key of the context it comes."""
    with KnowledgeBase(egypt) as knowledge:
        found = [match.passage.title for match in knowledge.search("pyramids capital", {"anything": where})]

    assert found
    assert all(title.startswith("Egypt: ") for title in found)


def test_no_other_country_takes_the_place_of_a_missing_one():
    """Where Egypt has nothing to say, Mexico does not say it."""
    agent = AgentNode(knowledge={"Egypt": {"river": "The Nile."}, "Mexico": {"pyramids": "The Pyramid of the Sun."}})

    assert "abstain" == agent.process_query_sync("Show me pyramids", {"country": "Egypt"}).kind
    assert "extract" == agent.process_query_sync("Show me pyramids", {"country": "Mexico"}).kind
    assert "extract" == agent.process_query_sync("Show me pyramids", {"country": "Peru"}).kind


def test_a_long_context_is_looked_at_in_part():
    """Of a context of a million keys the first thirty-two are looked at."""
    huge = {f"key {number}": "x" * 10_000 for number in range(1_000)}
    with KnowledgeBase(ENTRIES) as knowledge:
        assert 3 == len(knowledge.search("library", huge))
        assert 2 == len(knowledge.search("library", {"branch": "Central", **huge}))
