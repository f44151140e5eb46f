"""Responses out of a gateway's own cache: no provider was called, and nothing was bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value

# What gateways say of a response out of their cache.
_FLAGS: Final[tuple[str, ...]] = (
    *("litellm.cache_hit", "metadata.cache_hit", "litellm.metadata.cache_hit", "gen_ai.response.cached"),
    *("gen_ai.response.cache_hit", "gptcache.hit"),
)
# What others write too where a provider found a part of the prompt in its cache, and bills it.
_EITHER: Final[tuple[str, ...]] = (
    *("cache_hit", "gen_ai.cache.hit", "gen_ai.cache_hit", "llm.cache.hit", "llm.cache_hit"),
    *("langsmith.metadata.cache_hit", "langfuse.observation.metadata.cache_hit"),
)
# Statuses: Kong's attribute, and headers of responses as OTel's HTTP instrumentations keep them.
_STATUSES: Final[tuple[str, ...]] = (
    *("kong.gen_ai.cache.status", "gen_ai.cache.status", "llm.cache.status"),
    *(f"http.response.header.{name}" for name in ("x-portkey-cache-status", "helicone-cache", "cf-aig-cache-status")),
    *(f"http.response.header.{name}" for name in ("x-cache-status", "x-bifrost-cache-status")),
)
# LiteLLM's account of a call, as JSON or as Python's repr.
_ACCOUNTS: Final[tuple[str, ...]] = ("hidden_params", "metadata.hidden_params", "litellm.hidden_params")
# Portkey tells an exact repetition from one that is only like it.
_IS_HIT: Final = ("hit", "semantic hit", "semantic_hit", "cache hit", "cache_hit", "direct")
MARKS: Final[tuple[str, ...]] = (*_FLAGS, *_EITHER, *_STATUSES, *_ACCOUNTS)
"""The attributes that may tell it."""
_MARKS: Final = frozenset(MARKS)


def answered(span: Mapping[str, Value], cached: int | None) -> bool:
    """Whether the response came out of a gateway's cache, by these attributes; `cached`: tokens of a provider's one."""
    return any(_tells(name, span[name], cached) for name in _MARKS.intersection(span))


def _tells(name: str, value: Value, cached: int | None) -> bool:
    if name in _ACCOUNTS:
        account = attributes.tree(value)
        if attributes.flag(account, "cache_hit"):
            return True
        # The key alone is there of responses that were put into the cache, too.
        return bool(attributes.word(account, "cache_key")) and attributes.number(account.get("response_cost")) == 0
    if name in _FLAGS or name in _EITHER:
        return attributes.truth(value) is True and not (name in _EITHER and cached)
    return any(text.lower() in _IS_HIT for text in attributes.texts(value) or ())
