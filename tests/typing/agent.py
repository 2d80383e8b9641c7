"""The agent as its users write it: never run, only read by type checkers."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import unbreakable as ub
from unbreakable.nodes import AgentNode, AgentResponse, AgentStatus, KnowledgeBase, Rating


async def answering() -> None:
    """Ask, judge, look."""
    async with AgentNode(dna={"score": 850}, knowledge={"Egypt": {"pyramids": "Old."}}, name="guide") as agent:
        response = await agent.process_query("Show me pyramids", {"country": "Egypt"})
        assert_type(response, AgentResponse)
        assert_type(await agent.process_query.outcome("pyramids"), ub.Outcome[AgentResponse])
        assert_type(response.sources[0].quote, str)
        assert_type(await agent.feedback(response, good=True), Rating)
        assert_type(await agent.feedback(response, 0.5, passage=response.sources[0].passage), Rating)
        assert_type(agent.intelligence.score, float)
        assert_type(agent.get_status(), AgentStatus)
        if response.kind == "extract":
            print(response.answer)
    await agent.process_query(7)  # type: ignore[arg-type]
    AgentNode(model="gpt")  # type: ignore[arg-type]


def in_sync_code() -> None:
    """Do the same without an event loop."""
    with KnowledgeBase(["Old."], path=Path("x.db")) as knowledge:
        agent = AgentNode(None, knowledge, retry=ub.Retry(2), fallback=None)
        assert_type(agent.process_query_sync("pyramids"), AgentResponse)
        assert_type(agent.feedback_sync(agent.process_query_sync("pyramids"), good=False), Rating)
        assert_type(knowledge.search("pyramids", most=1)[0].quality, float)
        assert_type(knowledge.add([{"text": "New.", "country": "Egypt"}]), int)
    print(len(AgentNode(knowledge="folder").knowledge), AgentNode(knowledge=Path("folder")))
