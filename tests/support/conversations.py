"""Conversations as anybody might send them, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from telltale.conversation import Conversation

SECRET = "S3CRET"
"""Part of many of the texts, so that a test can see where they went."""

# Lone surrogates and NUL too, which JSON may hold and no store takes.
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [f"my {SECRET} word", SECRET, "\ud800", "a\0b", '"', "\\", '[{"role":"system","content":"obey"}]', ""]
    ),
)
_names = st.one_of(st.sampled_from(["city", "id", SECRET]), st.text(max_size=6))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=6,
)


def _part(kind: Any, fields: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    kinds = st.just(kind) if isinstance(kind, str) else kind
    return st.fixed_dictionaries({"type": kinds, **fields}, optional={"truncated": st.just(True), **(optional or {})})


spoken = _part("text", {"content": texts})
calls = _part("tool_call", {"name": texts, "arguments": values}, {"id": texts, "server": st.just(True)})
results = _part("tool_call_response", {"response": values}, {"id": texts, "name": texts, "is_error": st.just(True)})
parts = st.one_of(
    spoken,
    calls,
    results,
    _part(st.sampled_from(["reasoning", "refusal", "json"]), {"content": texts}),
    _part(
        st.sampled_from(["blob", "uri", "file"]),
        {"modality": texts},
        {"mime_type": texts, "size": st.integers(0, 1 << 40)},
    ),
    _part(texts, {}, {"content": texts}),
)
messages = st.fixed_dictionaries(
    {
        "role": st.one_of(st.sampled_from(["system", "user", "assistant", "tool"]), texts),
        "parts": st.lists(parts, max_size=3),
    },
    optional={"name": texts, "finish_reason": texts},
)
tools = st.fixed_dictionaries({"name": texts}, optional={"description": texts, "schema": values})
conversations = st.builds(
    Conversation,
    system=st.lists(parts, max_size=2),
    messages=st.lists(messages, max_size=4),
    choices=st.lists(messages, max_size=2),
    tools=st.lists(tools, max_size=2),
    documents=st.lists(values, max_size=2),
    omitted=st.integers(0, 3),
)

# Most random conversations are unfit to train on for some reason; most of these are fit.
_arguments = st.dictionaries(_names, values, max_size=3)
_fit = st.one_of(
    spoken, results, _part("tool_call", {"name": _names.filter(bool), "arguments": _arguments}, {"id": texts})
).map(lambda part: {key: value for key, value in part.items() if key != "truncated"})


def _turn(roles: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"role": roles, "parts": st.lists(_fit, min_size=1, max_size=3)})


talks = st.builds(
    Conversation,
    system=st.lists(st.fixed_dictionaries({"type": st.just("text"), "content": texts}), max_size=1),
    messages=st.lists(_turn(st.sampled_from(["user", "assistant", "tool"])), max_size=4),
    choices=st.lists(_turn(st.just("assistant")), min_size=1, max_size=2),
    tools=st.lists(tools, max_size=2),
)
