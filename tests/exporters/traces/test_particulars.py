"""What a sample has of a call beside its conversation, from each convention's attributes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.conventions import particulars
from exporters.traces.conventions.particulars import LONGEST_REQUEST, Particulars, joined, read

RESOURCE = {"service.name": "shop", "deployment.environment.name": "production"}
ASKED = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 100, "seed": 7, "frequency_penalty": -0.5}


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        # OTel.
        (
            {
                "gen_ai.agent.name": "geo", "gen_ai.agent.version": "1.2.3.4", "gen_ai.prompt.name": "ask",
                "user.id": "u",
            },
            {"agent_name": "geo", "agent_version": "1.2.3.4", "prompt_name": "ask", "user": "u"},
        ),
        # Langfuse: versions are numbers, texts in quotes of their own.
        (
            {
                "langfuse.observation.prompt.name": '"ask"', "langfuse.observation.prompt.version": 3,
                "langfuse.user.id": "u", "langfuse.environment": "lab",
            },
            {"prompt_name": "ask", "prompt_version": "3", "user": "u", "environment": "lab"},
        ),
        # OpenLLMetry.
        (
            {
                "traceloop.prompt.key": "ask", "traceloop.prompt.version": 3,
                "traceloop.association.properties.user_id": "u",
            },
            {"prompt_name": "ask", "prompt_version": "3", "user": "u"},
        ),
        # OpenInference.
        (
            {"agent.name": "geo", "llm.prompt_template.version": "v3", "user.id": "u"},
            {"agent_name": "geo", "prompt_version": "v3", "user": "u"},
        ),
        # Vercel's AI SDK, LangSmith.
        ({"ai.telemetry.metadata.userId": "u"}, {"user": "u"}),
        ({"langsmith.metadata.lc_hub_repo": "ask"}, {"prompt_name": "ask"}),
        # LiteLLM's proxy: the end user, not the owner of the key; nobody behind the master key.
        (
            {"metadata.user_api_key_user_id": "owner", "metadata.user_api_key_end_user_id": "u"},
            {"user": "u"},
        ),
        ({"metadata.user_api_key_user_id": "default_user_id", "metadata.user_api_key_end_user_id": ""}, {}),
        ({"user.id": "", "gen_ai.agent.name": None, "gen_ai.prompt.name": " ", "gen_ai.agent.version": True}, {}),
    ],
)  # fmt: skip
def test_names(sent: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert read(RESOURCE, sent) == Particulars(
        "shop", **{"environment": "production", **wanted}, parameters={}, attributes={}
    )


@pytest.mark.parametrize(
    "sent",
    [
        {f"gen_ai.request.{name}": value for name, value in ASKED.items()},
        {f"gen_ai.request.{name}": str(value) for name, value in ASKED.items()},
        {f"langsmith.metadata.ls_{name}": value for name, value in ASKED.items()},
        {
            "ai.settings.temperature": 0.2, "ai.settings.topP": 0.9, "ai.settings.maxOutputTokens": 100,
            "ai.settings.seed": 7, "ai.settings.frequencyPenalty": -0.5, "ai.settings.maxRetries": 2,
        },
        {"llm.invocation_parameters": json.dumps({"model": "m", "stream": True, **ASKED})},
        {
            "langfuse.observation.model.parameters": json.dumps(
                {**ASKED, "max_tokens": None, "max_completion_tokens": 100}
            )
        },
        {"request_data": json.dumps({"messages": [], **ASKED})},
        {"mlflow.spanInputs": json.dumps({"kwargs": ASKED})},
        {"gcp.vertex.agent.llm_request": json.dumps({"config": {**ASKED, "max_tokens": None, "maxOutputTokens": 100}})},
    ],
)  # fmt: skip
def test_parameters(sent: dict[str, Any]) -> None:
    assert read({}, sent).parameters == ASKED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, True, "x", None, [], 1e300, 2**70, "NaN"])
def test_parameters_that_cannot_be_are_none(value: Any) -> None:
    for name in ("gen_ai.request.temperature", "gen_ai.request.max_tokens"):
        assert read({}, {name: value}).parameters == {}
    assert read({}, {"llm.invocation_parameters": json.dumps({"temperature": value})}).parameters == {}


@pytest.mark.parametrize("convention", ["openlit", "langfuse"])
def test_what_a_sender_writes_where_nothing_was_asked_is_not_known(convention: str) -> None:
    guessed = {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0, "seed": 0}
    sent = {f"gen_ai.request.{name}": value for name, value in guessed.items()}
    assert read({}, sent, (), convention).parameters == {}
    assert read({}, sent, (), "otel").parameters == guessed
    assert read({}, sent | {"gen_ai.request.temperature": 0.2}, (), convention).parameters == {"temperature": 0.2}


def test_an_environment_that_litellm_made_up_is_not_known() -> None:
    assert read({"deployment.environment": "production"}, {}, (), "litellm").environment is None
    assert read({"deployment.environment": "lab"}, {}, (), "litellm").environment == "lab"
    assert read({"deployment.environment": "production"}, {}, (), "otel").environment == "production"


def test_a_request_as_long_as_a_conversation_is_not_read_again() -> None:
    body = json.dumps({"temperature": 0.2, "messages": ["x" * LONGEST_REQUEST]})
    assert read({}, {"request_data": body}).parameters == {}


def test_what_the_operator_asks_for_is_kept_as_text() -> None:
    sent = {"cart.size": 3, "tags": ["a", "b"], "empty": "", "raw": b"x", "flag": False, "long": "x" * 1000}
    names = (*sent, "host.name", "missing")
    found = read({"host.name": "h", "flag": "resource"}, sent, names).attributes
    assert found == {"cart.size": "3", "tags": '["a", "b"]', "flag": "false", "host.name": "h", "long": "x" * 1000}


def test_the_name_that_an_sdk_gives_to_what_has_none_is_none() -> None:
    assert read({"service.name": "unknown_service:python"}, {}).app is None
    assert read({"service.name": "unknown_service"}, {"service.name": "shop"}).app == "shop"


def test_two_spans_of_a_call_complete_each_other() -> None:
    first = Particulars(user="u", parameters={"seed": 1})
    second = Particulars("shop", user="other", parameters={"seed": 2, "top_p": 0.5}, attributes={"k": "v"})
    assert joined(first, second) == Particulars(
        "shop", user="u", parameters={"seed": 1, "top_p": 0.5}, attributes={"k": "v"}
    )


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text(), max_size=2)
)
BODIES = st.dictionaries(st.text(max_size=5), VALUES.filter(lambda value: not isinstance(value, bytes))).map(json.dumps)


@given(st.dictionaries(st.sampled_from(particulars.NAMES), VALUES | BODIES | st.just('{"temperature": "'), max_size=8))
def test_whatever_attributes_hold_it_never_raises(sent: dict[str, Any]) -> None:
    found = read(sent, sent, tuple(sent))
    assert all(isinstance(value, float | int) and abs(value) <= 2**53 for value in found.parameters.values())
    assert all(text and isinstance(text, str) for text in found.attributes.values())
