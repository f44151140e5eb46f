"""OTel's GenAI conventions have renamed attributes and metrics: spans are read in old names and new."""

from __future__ import annotations

from typing import Any

import pytest
from support.otlp_spans import decoded, one

from exporters.traces.conventions import particulars

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
COUNTERS = {
    "gen_ai.client.inference.usage.input_tokens": 90,
    "gen_ai.client.inference.usage.output_tokens": 40,
    "gen_ai.client.inference.usage.cache_read.input_tokens": 20,
    "gen_ai.client.inference.usage.cache_write.input_tokens": 10,
    "gen_ai.client.inference.usage.reasoning.output_tokens": 15,
}


def tokens(found: Any) -> tuple[int | None, ...]:
    whole = (found.input_tokens, found.output_tokens)
    return *whole, found.cached_input_tokens, found.cache_write_input_tokens, found.reasoning_output_tokens


def test_names_of_counters_as_attributes() -> None:
    assert tokens(one({**CHAT, **COUNTERS})) == (90, 40, 20, 10, 15)
    assert tokens(one({"gen_ai.request.model": "m", **COUNTERS})) == (90, 40, 20, 10, 15), "they are evidence of a call"
    assert one({**CHAT, **COUNTERS, "gen_ai.usage.input_tokens": 91}).input_tokens == 91, "the attribute comes first"


@pytest.mark.parametrize("name", ["cache_write", "cache_creation"])
def test_tokens_written_into_a_cache(name: str) -> None:
    found = one({**CHAT, "gen_ai.usage.input_tokens": 90, f"gen_ai.usage.{name}.input_tokens": 30})
    assert found.cache_write_input_tokens == 30


def test_a_workflow_is_an_agent_now() -> None:
    assert particulars.read({}, {"gen_ai.workflow.name": "crew"}, (), "otel").agent_name == "crew"
    both = {"gen_ai.workflow.name": "crew", "gen_ai.agent.name": "geo"}
    assert particulars.read({}, both, (), "otel").agent_name == "geo"


@pytest.mark.parametrize("operation", ["invoke_workflow", "invoke_agent", "handle_conversation_turn", "search_memory"])
def test_new_operations_are_known(operation: str) -> None:
    assert decoded({"gen_ai.operation.name": operation, **COUNTERS}).operations == {operation: 1}
