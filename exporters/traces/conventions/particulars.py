"""Whom a call served, through what and how it was asked: what a sample has of a call beside its conversation.

One table of the attributes that hold it, whoever writes them; they are read of calls that are kept, never of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from exporters.traces.conventions import vectors
from exporters.traces.conventions.vectors import Vectors
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value

Attributes = Mapping[str, Value]

# Of each field the attributes that hold it, the first that is not empty wins. The user whom an application names comes
# before the one of a gateway's key.
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "environment": ("deployment.environment.name", "deployment.environment", "langfuse.environment"),
    "user": (
        *("user.id", "enduser.id", "langfuse.user.id", "enduser.pseudo.id", "mlflow.trace.user"),
        *("traceloop.association.properties.user_id", "lmnr.association.properties.user_id"),
        *("ai.telemetry.metadata.userId", "ai.telemetry.metadata.user_id", "langsmith.metadata.user_id"),
        *("gen_ai.request.user", "gen_ai.user", "llm.user"),
        *("metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
    ),
    "agent_name": (
        *("gen_ai.agent.name", "agent.name", "agent_name", "agno.agent", "langsmith.metadata.lc_agent_name"),
        # What OTel's conventions called an agent that is entered first, before they had one name for both.
        "gen_ai.workflow.name",
    ),
    "agent_version": ("gen_ai.agent.version", "agent.version"),
    "prompt_name": (
        *("gen_ai.prompt.name", "langfuse.observation.prompt.name", "traceloop.prompt.key", "prompt.id"),
        "langsmith.metadata.lc_hub_repo",
    ),
    "prompt_version": (
        *("gen_ai.prompt.version", "langfuse.observation.prompt.version", "traceloop.prompt.version"),
        *("llm.prompt_template.version", "langsmith.metadata.lc_hub_commit_hash"),
    ),
}
# Other names of the same parameters: in attributes by what stands before them, and in requests.
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP"),
    "top_k": ("top_k", "topK"),
    "max_tokens": (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "maxTokens", "maxOutputTokens"),
        *("max_new_tokens", "max_tokens_to_sample"),
    ),
    "seed": ("seed",),
    "frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "presence_penalty": ("presence_penalty", "presencePenalty"),
}
_PREFIXES: Final[tuple[str, ...]] = (
    *("gen_ai.request.", "gen_ai.openai.request.", "ai.settings.", "langsmith.metadata.ls_", "llm."),
)
# Parameters, or a whole request, as JSON.
_REQUESTS: Final[tuple[str, ...]] = (
    *("llm.invocation_parameters", "embedding.invocation_parameters", "langfuse.observation.model.parameters"),
    *("langsmith.metadata.ls_invocation_params", "request_data", "mlflow.spanInputs", "gcp.vertex.agent.llm_request"),
)
_INNER: Final[tuple[str, ...]] = ("config", "kwargs", "generationConfig", "generation_config", "inferenceConfig")
# A longer one holds a long conversation, and to read it once more would cost more than it tells.
LONGEST_REQUEST: Final = 64 << 10

# These write what an API does by default where nothing was asked for, and nobody can tell one from the other.
_GUESSING: Final = frozenset(("openlit", "langfuse"))
_DEFAULTS: Final = {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "seed": 0}
# LiteLLM writes it unless it is told another one, whatever the resource's environment is.
_GUESSED_ENVIRONMENT: Final = ("litellm", "production")
_MAY_BE_NEGATIVE: Final = frozenset(("seed", "top_k", "frequency_penalty", "presence_penalty"))
# Larger integers are none that JSON's readers agree about.
_MOST: Final = 1 << 53
# What SDKs and LiteLLM's proxy write where nobody gave a name.
_NOBODY: Final = frozenset(("unknown_service", "default_user_id", "undefined", "anonymous"))

_RANKS: Final = {key: (field, rank) for field, keys in _TEXTS.items() for rank, key in enumerate(keys)}
_PARAMETER_OF: Final = {
    prefix + key: (name, rank)
    for name, keys in _PARAMETERS.items()
    for rank, (prefix, key) in enumerate((prefix, key) for prefix in _PREFIXES for key in keys)
}
USERS: Final = frozenset(_TEXTS["user"])
"""The attributes that name a user, who is kept as a hash alone."""
NAMES: Final[tuple[str, ...]] = (*_RANKS, *_PARAMETER_OF, *_REQUESTS, "service.name")
"""Every attribute that is read here, but for those of vectors."""


class Particulars(NamedTuple):
    """As in `records.Sample`, but as the sender wrote it: neither redacted nor hashed."""

    app: str | None = None
    environment: str | None = None
    user: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    parameters: Mapping[str, float] = MappingProxyType({})
    attributes: Mapping[str, str] = MappingProxyType({})
    vectors: Vectors = vectors.NONE


NOTHING: Final = Particulars()


def read(
    resource: Attributes,
    span: Attributes,
    wanted: Iterable[str] = (),
    convention: str = "",
    with_vectors: bool = False,
) -> Particulars:
    """What a span and its resource tell. `wanted` names attributes to keep besides, of either, as text."""
    found: dict[str, str] = {}
    numbers: dict[str, float] = {}
    ranks: dict[str, int] = {}
    for key, value in span.items():
        entry = _RANKS.get(key)
        if entry is not None:
            text = _text(value)
            if text is not None and entry[1] <= ranks.get(entry[0], entry[1]):
                found[entry[0]], ranks[entry[0]] = text, entry[1]
            continue
        entry = _PARAMETER_OF.get(key)
        if entry is not None:
            number = _number(entry[0], value)
            if number is not None and entry[1] <= ranks.get(entry[0], entry[1]):
                numbers[entry[0]], ranks[entry[0]] = number, entry[1]
    for key in _REQUESTS:
        if key in span:
            _add_request(attributes.tree(_within(span[key])), numbers, found)
    if convention in _GUESSING:
        numbers = {name: number for name, number in numbers.items() if _DEFAULTS.get(name) != number}
    environment = found.get("environment") or _first(resource, _TEXTS["environment"])
    return Particulars(
        _text(resource.get("service.name")) or _text(span.get("service.name")),
        None if (convention, environment) == _GUESSED_ENVIRONMENT else environment,
        found.get("user") or _first(resource, _TEXTS["user"]),
        found.get("agent_name"),
        found.get("agent_version"),
        found.get("prompt_name"),
        found.get("prompt_version"),
        numbers,
        {name: text for name in wanted if (text := _any_text(span.get(name, resource.get(name)))) is not None},
        vectors.read(span) if with_vectors else vectors.NONE,
    )


def joined(first: Particulars, second: Particulars) -> Particulars:
    """What two spans of one call tell, the first where both do."""
    return Particulars(
        first.app or second.app,
        first.environment or second.environment,
        first.user or second.user,
        first.agent_name or second.agent_name,
        first.agent_version or second.agent_version,
        first.prompt_name or second.prompt_name,
        first.prompt_version or second.prompt_version,
        {**second.parameters, **first.parameters},
        {**second.attributes, **first.attributes},
        vectors.joined(first.vectors, second.vectors),
    )


def _add_request(request: Attributes, numbers: dict[str, float], found: dict[str, str]) -> None:
    """What a request says of parameters that no attribute has, and its user."""
    inner = [held for name in _INNER if isinstance(held := request.get(name), dict)]
    for fields in (request, *inner):
        for name, keys in _PARAMETERS.items():
            number = next((n for key in keys if key in fields and (n := _number(name, fields[key])) is not None), None)
            if number is not None and name not in numbers:
                numbers[name] = number
        user = _text(fields.get("user"))
        if user is not None and "user" not in found:
            found["user"] = user


def _within(value: Value) -> Value:
    return None if isinstance(value, str) and len(value) > LONGEST_REQUEST else value


def _first(values: Attributes, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if name in values and (text := _text(values[name])) is not None), None)


def _text(value: Value) -> str | None:
    """A name or a version, which may be a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if -_MOST <= value <= _MOST else None
    text = attributes.short(value)
    return None if text is None or text.partition(":")[0] in _NOBODY or not text.strip() else text


def _any_text(value: Value) -> str | None:
    """Any value as text; None for one that is absent or empty."""
    if value is None or isinstance(value, bytes):
        return None
    return (value if isinstance(value, str) else attributes.written(value)) or None


def _number(name: str, value: Value) -> float | None:
    """A parameter: finite, and one that a model can be asked with."""
    if isinstance(value, str):
        try:
            value = float(value.strip('"'))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST <= value <= _MOST:
        return None
    if value < 0 and name not in _MAY_BE_NEGATIVE:
        return None
    return float(value)
