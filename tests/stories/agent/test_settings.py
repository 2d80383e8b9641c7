"""The settings of an agent are refused where they are written."""

from __future__ import annotations

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.nodes import AgentNode, KnowledgeBase


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dna": {"score": 1001}}, r"dna\['score'\] must be a number from 0 to 1000, not 1001"),
        ({"dna": {"score": True}}, r"dna\['score'\] must be a number from 0 to 1000, not True"),
        ({"dna": {"score": "850"}}, r"dna\['score'\] must be a number"),
        ({"dna": {"score": float("nan")}}, r"dna\['score'\] must be a number"),
        ({"dna": {"scor": 850}}, r"dna\['scor'\] is not known \(did you mean score\?\)"),
        ({"dna": {"score": 850, "iq": 3}}, r"dna\['iq'\] is not known; expected score"),
        ({"dna": 850}, r"dna must be a dict such as"),
        ({"model": "gpt"}, r"model must be None: .* not 'gpt'"),
        ({"knowledge": 7}, "knowledge must be a dict, a list or a path, not 7"),
        ({"knowledge": "no such file"}, r"knowledge must be the path of a file .* not 'no such file'"),
        ({"knowledge": ""}, r"knowledge must be the path of a file"),
        ({"knowledge": "x" * 10_000}, r"knowledge must be the path of a file"),
        ({"knowledge": {"Egypt": [None]}}, r"knowledge\['Egypt'\]\[0\] must be"),
        ({"name": ""}, r"name must be a word"),
        ({"deadlin": 3}, r"did you mean 'deadline'\?"),
    ],
)
def test_a_wrong_setting_is_told_with_its_path(settings, message):
    """The error says which setting, what was expected, what was found."""
    with pytest.raises(ConfigurationError, match=message):
        AgentNode(**settings)


@pytest.mark.parametrize("score", [0, 333, 850.5, 1000])
def test_the_score_is_where_the_rating_starts(score):
    """Any number from 0 to 1000 is a prior."""
    agent = AgentNode({"score": score})

    assert score == agent.intelligence.score
    assert (850.0, 850.0) == (AgentNode().intelligence.score, AgentNode({}).intelligence.score)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"most_passages": 0}, "most_passages must be a whole number from 1 up, not 0"),
        ({"most_bytes": 0}, "most_bytes must be a whole number from 1 up, not 0"),
        ({"path": ""}, "path must be the path of a file, not ''"),
        ({"path": "postgres://x"}, "path must be the path of a file"),
        ({"path": "/"}, "path must be the path of a file, which a folder is not"),
        ({"source": 3}, "knowledge must be a dict, a list"),
    ],
)
def test_a_wrong_knowledge_base_is_told(settings, message):
    """The same holds for a knowledge base."""
    with pytest.raises(ConfigurationError, match=message):
        KnowledgeBase(**settings)


def test_a_knowledge_base_holds_no_more_than_it_may():
    """What does not fit is refused, and what is there stays usable."""
    with KnowledgeBase(["one", "two"], most_passages=2) as knowledge:
        with pytest.raises(ConfigurationError, match="at most 2 passages"):
            knowledge.add(["three"])
        assert 2 == len(knowledge)
        assert "two" == knowledge.search("two")[0].quote

    with pytest.raises(ConfigurationError, match="at most 100 bytes"):
        KnowledgeBase(["x" * 60, "y" * 60], most_bytes=100)
