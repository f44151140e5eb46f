"""Usage objects in the shape of each provider's API, read as `genai-prices` reads them; and shapes it does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import UsageExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.conventions import usage
from exporters.traces.conventions.usage_evidence import known_way

OURS = {
    "input_tokens": "input_tokens", "output_tokens": "output_tokens", "cache_read_tokens": "cached_input_tokens",
    "cache_write_tokens": "cache_write_input_tokens", "output_reasoning_tokens": "reasoning_output_tokens",
}  # fmt: skip
# What a provider's own sum is called, by the name of its output.
TOTALS = {
    "completion_tokens": "total_tokens",
    "candidatesTokenCount": "totalTokenCount",
    "outputTokens": "totalTokens",
}
Path = tuple[str, ...]
# Of those that read alike the last.
EXTRACTORS = {
    str((extractor.root, extractor.mappings, "x-ai" in provider.id)): (provider.id, extractor)
    for provider in get_snapshot().providers
    for extractor in provider.extractors or []
    if "input_tokens" in {mapping.dest for mapping in extractor.mappings}
    and all(mapping.dest in OURS for mapping in extractor.mappings if mapping.required)
}
BY_NAME = {f"{name} {extractor.api_flavor}": (name, extractor) for name, extractor in EXTRACTORS.values()}


def paths(extractor: UsageExtractor, dest: str) -> list[Path]:
    """Where it finds a count, without those in lists."""
    found = [mapping.path for mapping in extractor.mappings if mapping.dest == dest]
    whole = [(path,) if isinstance(path, str) else tuple(path) for path in found]
    return [tuple(map(str, path)) for path in whole if all(isinstance(step, str) for step in path)]


def put(body: dict[str, Any], path: Path, count: int) -> None:
    for step in path[:-1]:
        body = body.setdefault(step, {})
    body[path[-1]] = count


def root(extractor: UsageExtractor) -> Path:
    return (extractor.root,) if isinstance(extractor.root, str) else tuple(map(str, extractor.root))


@st.composite
def bodies(draw: st.DrawFn, extractor: UsageExtractor) -> dict[str, Any]:
    """A response's body as its API could send it: parts of a whole are no more than that."""
    counts: dict[Path, int] = {}
    for whole, parts in (
        ("input_tokens", ("cache_read_tokens", "cache_write_tokens")),
        ("output_tokens", ("output_reasoning_tokens",)),
    ):
        within = 0
        for path in paths(extractor, whole):
            counts[path] = draw(st.integers(1, 1_000_000))
            within += counts[path]
        for part in parts:
            for path in paths(extractor, part):
                if path not in counts and draw(st.booleans()):
                    counts[path] = draw(st.integers(0, within))
                    within -= counts[path]
    by_time = paths(extractor, "cache_write_5m_tokens") + paths(extractor, "cache_write_1h_tokens")
    written = sum(counts.get(path, 0) for path in paths(extractor, "cache_write_tokens"))
    if len(by_time) == 2 and draw(st.booleans()):
        counts[by_time[0]] = draw(st.integers(0, written))
        counts[by_time[1]] = written - counts[by_time[0]]
    body: dict[str, Any] = {"model": "m", "id": "r"}
    for path, count in counts.items():
        put(body, (*root(extractor), *path), count)
    total = next((name for path in counts if (name := TOTALS.get(path[-1]))), None)
    if total and draw(st.booleans()):
        whole_of = [counts[path] for dest in ("input_tokens", "output_tokens") for path in paths(extractor, dest)]
        put(body, (*root(extractor), total), sum(whole_of))
    return body


@pytest.mark.parametrize("name", BY_NAME)
@settings(max_examples=20)
@given(data=st.data())
def test_each_providers_usage_is_read_as_the_oracle_reads_it(name: str, data: st.DataObject) -> None:
    provider, extractor = BY_NAME[name]
    body, hint = data.draw(bodies(extractor)), known_way(provider)
    _, known = extractor.extract(body)
    read = usage.tokens(usage.of_body(body), hint=hint)
    for theirs, ours in OURS.items():
        assert (read[ours] or 0) == (getattr(known, theirs) or 0), (theirs, body)
    # In any writing: as JSON, or as Python's repr.
    for text in (json.dumps(body), repr(body)):
        assert usage.tokens(usage.of_text(text), hint=hint) == read


GEMINI = {
    "prompt_token_count": 6,
    "candidates_token_count": 951,
    "thoughts_token_count": 1104,
    "total_token_count": 2061,
}


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        # Gemini in Python's spelling; with tools; with the thoughts in the total alone.
        (GEMINI, (6, 2055, None, None, 1104)),
        ({"promptTokenCount": 20, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 28},
         (25, 3, None, None, None)),
        ({"promptTokenCount": 1000, "candidatesTokenCount": 9, "cachedContentTokenCount": 800, "totalTokenCount": 1107},
         (1000, 107, 800, None, 98)),
        # Thoughts alone: the limit was reached before an answer.
        ({"promptTokenCount": 8, "thoughtsTokenCount": 98, "totalTokenCount": 106}, (8, 98, None, None, 98)),
        # OpenAI's, spelt by JavaScript's and Java's SDKs.
        ({"promptTokens": 20, "completionTokens": 14, "totalTokens": 34,
          "promptTokensDetails": {"cachedTokens": 4}, "completionTokensDetails": {"reasoningTokens": 3}},
         (20, 14, 4, None, 3)),
        # xAI's completion does not include its reasoning.
        ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
          "completion_tokens_details": {"reasoning_tokens": 94}}, (32, 103, None, None, 94)),
        # Perplexity's neither, and its total is the sum of the two.
        ({"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196, "reasoning_tokens": 73997},
         (33, 81160, None, None, 73997)),
        ({"prompt_tokens": 90, "completion_tokens": 5, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 26},
         (90, 5, 64, None, None)),
        # Vercel's AI SDK 5 and 6.
        ({"inputTokens": 20, "outputTokens": 14, "totalTokens": 34, "cachedInputTokens": 5, "reasoningTokens": 2},
         (20, 14, 5, None, 2)),
        ({"inputTokens": 20, "inputTokenDetails": {"noCacheTokens": 9, "cacheReadTokens": 8, "cacheWriteTokens": 3},
          "outputTokens": 14, "outputTokenDetails": {"reasoningTokens": 4}}, (20, 14, 8, 3, 4)),
        # Bedrock's Converse, and Anthropic's.
        ({"inputTokens": 3, "outputTokens": 442, "totalTokens": 8712, "cacheReadInputTokens": 7917,
          "cacheWriteInputTokens": 350}, (8270, 442, 7917, 350, None)),
        ({"input_tokens": 3, "output_tokens": 442, "cache_read_input_tokens": 7917,
          "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 300}},
         (8270, 442, 7917, 350, None)),
        # LangChain's, which adds them up.
        ({"input_tokens": 8270, "output_tokens": 442, "total_tokens": 8712,
          "input_token_details": {"cache_read": 7917, "cache_creation": 0, "ephemeral_5m_input_tokens": 350}},
         (8270, 442, 7917, 350, None)),
        # LiteLLM's, under Anthropic's names.
        ({"prompt_tokens": 8270, "completion_tokens": 442, "total_tokens": 8712, "cache_read_input_tokens": 7917,
          "cache_creation_input_tokens": 350, "prompt_tokens_details": {"cached_tokens": 7917, "text_tokens": None}},
         (8270, 442, 7917, 350, None)),
        # Cohere's: the billed ones, where there are both.
        ({"billed_units": {"input_tokens": 5, "output_tokens": 10},
          "tokens": {"input_tokens": 71, "output_tokens": 12}}, (5, 10, None, None, None)),
        ({"tokens": {"input_tokens": 71, "output_tokens": 12}, "cached_tokens": 64}, (71, 12, 64, None, None)),
        # Langfuse's buckets.
        ({"input": 10, "output": 5, "input_cache_read": 4, "input_cache_creation_5m": 2, "input_cache_creation_1h": 1},
         (17, 5, 4, 3, None)),
        ({"input": 10, "output": 5, "output_reasoning": 7, "input_audio": 3, "output_audio": 1},
         (13, 13, None, None, 7)),
        ({"input": 100, "output": 200, "total": 300, "cached_input": 50}, (100, 200, 50, None, None)),
        ({"input": 17903, "output": 50, "input_cached_tokens": 17817, "total": 17953}, (17903, 50, 17817, None, None)),
        ({"input": 86, "output": 50, "input_cached_tokens": 17817, "total": 17953}, (17903, 50, 17817, None, None)),
        ({"prompt_eval_count": 26, "eval_count": 298}, (26, 298, None, None, None)),
        # Nothing that can be true.
        ({"prompt_tokens": float("nan"), "completion_tokens": -3, "total_tokens": "many"}, (None,) * 5),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None,) * 5),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 2, "cached_tokens": 4}, (None,) * 5),
    ],
)  # fmt: skip
def test_other_spellings_and_contradictions(told: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    assert tuple(usage.tokens(told)[name] for name in ("input_tokens", "output_tokens", *usage.DETAILS)) == counts
    for place in ({"usage": told}, {"usageMetadata": told}, {"response": {"usage": told}}, {"token_usage": told}):
        assert usage.has_counts(usage.of_body(place)) == usage.has_counts(told)
        assert usage.tokens(usage.of_body(place)) == usage.tokens(told)


def test_of_a_stream_kept_as_its_events_the_last_that_tells_counts() -> None:
    events = [{"usage": {"prompt_tokens": 5, "completion_tokens": 1}}, {"usage": None}, {"usage": GEMINI}, {"id": "e"}]
    assert usage.of_text(json.dumps(events)) == GEMINI
    assert usage.of_text(json.dumps(events[3:])) == usage.of_text("[usage") == usage.of_text(None) == {}
    assert usage.of_text(json.dumps({"usage": GEMINI, "text": "a" * usage.LONGEST_BODY})) == {}


def test_what_a_provider_leaves_out_is_settled_by_its_name() -> None:
    told = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135}
    assert usage.tokens(told)["output_tokens"] is None
    assert usage.tokens(told, hint=known_way("xai", "grok-4"))["output_tokens"] == 103


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["usage", "tokens", "total"]), inner),
    max_leaves=5,
)
NAMES = ["input", "output", "total", "prompt_tokens", "input_tokens", "input_cached_tokens", "cache_creation", "tokens"]


@given(st.dictionaries(st.sampled_from(NAMES), json_values))
def test_no_object_breaks_it_or_gives_a_part_that_is_larger_than_its_whole(told: dict[str, Any]) -> None:
    read = usage.tokens(usage.of_body({"usage": told}))
    if read["input_tokens"] is not None:
        parts = (read["cached_input_tokens"] or 0) + (read["cache_write_input_tokens"] or 0)
        assert 0 <= parts <= read["input_tokens"]
