"""What a span does, in OTel's words, whatever its convention calls it: a model's call, or another known operation.

One table of the names that senders write as their span's operation, and one of the marks with which other conventions
say what kind of span it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span, Value

Attributes = Mapping[str, Value]

OPERATION: Final = "gen_ai.operation.name"
# Calls of a model.
CALLS: Final = frozenset(("chat", "text_completion", "generate_content", "embeddings"))
# What else agents and their tools do. OTel has no word for the last five.
OTHERS: Final = frozenset(
    (
        *("invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "plan", "retrieval", "fetch_response"),
        *("create_memory", "search_memory", "update_memory", "upsert_memory", "delete_memory"),
        *("create_memory_store", "delete_memory_store", "handle_conversation_turn"),
        # Of an API's things: threads, messages, files, batches, tokens that are only counted.
        *("rerank", "guardrail", "evaluate", "prompt", "manage"),
    )
)
# Other names, in lower case: LiteLLM's functions, OpenLLMetry's types of requests, frameworks' own words.
_SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": (
        *("completion", "acompletion", "response", "responses", "aresponses", "message", "messages", "llm", "llm_call"),
        *("anthropic_messages", "aanthropic_messages", "chat_completion", "chat_completions", "chat.completion"),
        "chat.completions",
        *("chat.streaming_completions", "generate", "generation", "generate_text", "generatetext", "stream_text"),
        *("streamtext", "generate_object", "generateobject", "stream_object", "streamobject", "text_generation"),
        *("converse", "conversestream", "converse_stream", "chat_model", "inference"),
        *("create_chat_completion", "create_completion", "create_response", "message.create", "messages.create"),
        *("responses.create", "chat.completions.create"),
    ),
    "text_completion": (
        *("atext_completion", "completions", "text.completions", "text.streaming_completions", "text_completions"),
    ),
    "generate_content": (
        *("agenerate_content", "generate_content_stream", "agenerate_content_stream", "generatecontent"),
        *("streamgeneratecontent", "stream_generate_content"),
    ),
    "embeddings": (
        *("embedding", "aembedding", "embed", "aembed", "embed_content", "embedcontent", "embedmany"),
        *("create_embedding", "embeddings.create"),
    ),
    "invoke_agent": (
        *("agent", "agent_call", "agent_run", "agent_step", "run_agent", "execute_event_loop_cycle"),
        *("process_thread_run", "start_thread_run"),
    ),
    "execute_tool": ("tool", "tool_call", "call_tool", "execute_function"),
    "invoke_workflow": (
        *("workflow", "chain", "task", "execute_task", "framework", "schedule_tool_calls", "user_prompt"),
    ),
    "retrieval": ("retriever", "retrieve"),
    "rerank": ("arerank", "reranker", "reranking"),
    "guardrail": ("guardrails", "execute_guardrail", "apply_guardrail", "moderation", "moderations"),
    "evaluate": ("evaluation", "evaluator"),
    "prompt": ("system_prompt", "prompt_template"),
}  # fmt: skip
NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in (*CALLS, *OTHERS)},
    **{other: name for name, others in _SAME.items() for other in others},
}
# Words in names that are in no table, for what is no call: `invoke_swarm`, `run_mcp_tool`, `rag_search`.
_WORDS: Final = {
    **dict.fromkeys(
        ("agent", "agents", "swarm", "crew", "graph", "step", "turn", "session", "conversation"), "invoke_agent"
    ),
    **dict.fromkeys(("tool", "tools", "mcp", "function"), "execute_tool"),
    **dict.fromkeys(("workflow", "chain", "task", "pipeline", "flow"), "invoke_workflow"),
    **dict.fromkeys(("retrieval", "retriever", "retrieve", "search", "rag"), "retrieval"),
    **dict.fromkeys(("guardrail", "guardrails", "guard"), "guardrail"),
    **dict.fromkeys(("evaluation", "evaluate", "eval", "judge", "scorer"), "evaluate"),
}
# What is done to things that an API keeps, and these things: `create_thread`, `models.list`, `count_tokens`.
_VERBS: Final = frozenset(
    (
        *("create", "list", "get", "retrieve", "delete", "update", "cancel", "submit", "upload", "download", "count"),
        *("add", "poll", "tuning"),
    )
)
_THINGS: Final = frozenset(
    (
        *("thread", "threads", "messages", "conversation", "conversations", "run", "runs", "outputs", "file", "files"),
        *("model", "models", "tokens", "batch", "batches", "assistant", "assistants", "store", "stores", "job", "jobs"),
        *("fine", "items"),
    )
)
_SEPARATORS: Final = str.maketrans("-./: ", "_____")

# The spans of Vercel's SDK that are calls, by the end of their names.
_VERCEL: Final = {".dogenerate": "chat", ".dostream": "chat", ".doembed": "embeddings", ".dorerank": "rerank"}
_KINDS: Final[Mapping[str, str]] = {
    **{name: NAMES[name] for name in ("llm", "chat_model", "generation", "chat", "completion", "embedding", "rerank")},
    **{name: NAMES[name] for name in ("agent", "tool", "chain", "workflow", "task", "retriever", "reranker")},
    **{name: NAMES[name] for name in ("guardrail", "evaluator", "evaluation", "prompt")},
    **{"step": "invoke_agent", "entry": "invoke_workflow", "conversation": "invoke_agent"},
}
# Genkit's actions.
_GENKIT: Final = {
    **{"model": "chat", "embedder": "embeddings", "tool.v2": "execute_tool", "flow": "invoke_workflow"},
    **{"background-model": "chat", "indexer": "retrieval", "executable-prompt": "prompt"},
}
# Claude Code's spans, by name.
_CLAUDE: Final = {
    "claude_code.llm_request": "chat", "claude_code.interaction": "invoke_agent", "claude_code.tool": "execute_tool",
}  # fmt: skip
# What each mark's values mean. One that is not here (a `span`, an `event`) says nothing.
KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "openinference.span.kind": _KINDS,
    "langfuse.observation.type": _KINDS,
    "langsmith.span.kind": _KINDS,
    "mlflow.spanType": _KINDS,
    "traceloop.span.kind": _KINDS,
    "gen_ai.span.kind": _KINDS,
    "genkit:metadata:subtype": {**_KINDS, **_GENKIT},
    **dict.fromkeys(("lmnr.span.type", "langwatch.span.type", "fi.span.kind", "ag2.span.type"), _KINDS),
    "llm.request.type": NAMES,
}


def of(span: Span) -> str | None:
    """What a span does, as OTel's attribute says, else as its marks do; None where nobody says it in known words."""
    return named(span.attributes) or marked(span)


def named(a: Attributes) -> str | None:
    """The operation under OTel's name, if it is a known one."""
    name = attributes.word(a, OPERATION)
    if name is None:
        return None
    name = name.lower()
    if name in NAMES:
        return NAMES[name]
    words = name.translate(_SEPARATORS).split("_")
    if not _VERBS.isdisjoint(words) and not _THINGS.isdisjoint(words):
        return "manage"
    return next((_WORDS[word] for word in words if word in _WORDS), None)


def marked(span: Span) -> str | None:
    """What the marks of other conventions say; of two that disagree the one that is no call.

    A span that stands for a step often repeats what the call within it has, a call's hardly ever what is around it.
    """
    a = span.attributes
    found = _CLAUDE.get(span.name) or _of_vercel(a)
    if found is not None and found not in CALLS:
        return found
    for mark, kinds in KINDS.items():
        if mark in a and (kind := kinds.get((attributes.word(a, mark) or "").lower())) is not None:
            if kind not in CALLS:
                return kind
            found = found or kind
    return found


def _of_vercel(a: Attributes) -> str | None:
    name = attributes.word(a, "ai.operationId")
    if name is None:
        # The same with the name of the application's function behind it, on spans of others too.
        name = (attributes.word(a, "operation.name") or "").partition(" ")[0]
        if not name.startswith("ai."):
            return None
    if name == "ai.toolCall":
        return "execute_tool"
    # Those around the `.do…` ones stand for all steps of an answer.
    around = "invoke_workflow" if "embed" in name or "rerank" in name else "invoke_agent"
    return _VERCEL.get(name[name.rfind(".") :].lower(), around)
