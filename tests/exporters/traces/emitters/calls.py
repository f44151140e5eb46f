"""The calls of an application, made with the providers' own SDKs: one for each case, whether it succeeds or not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from support.fake_provider import CASES, TOOL, Case

TOOLS = [{"type": "function", "function": {"name": TOOL["name"], "description": "The way.", "parameters": {}}}]


def provider_address() -> str:
    return os.environ["PROVIDER"]


def cases(api: str = "openai") -> Iterable[Case]:
    return (case for case in CASES.values() if case.api == api)


def openai_calls(client: Any) -> None:
    """Every case of OpenAI's API with a client of its SDK."""
    from httpx import HTTPError
    from openai import APIError

    for case in cases():
        try:
            openai_call(client, case)
        except (APIError, HTTPError) as error:
            report_error(case, error)


def openai_call(client: Any, case: Case) -> None:
    if case.operation == "embeddings":
        client.embeddings.create(model=case.name, input=case.prompt, encoding_format="float")
        return
    asked: dict[str, Any] = {"model": case.name, "messages": [{"role": "user", "content": case.prompt}]}
    if case.tool:
        asked["tools"] = TOOLS
    if case.stream:
        asked["stream"] = True
        if case.usage:
            asked["stream_options"] = {"include_usage": True}
    response = client.chat.completions.create(**asked)
    if case.stream:
        for _chunk in response:
            pass


def agent_calls() -> None:
    """The chats of OpenAI's API, each by a pydantic-ai agent."""
    import asyncio

    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def ask(case: Case) -> None:
        client = AsyncOpenAI(base_url=f"{provider_address()}/v1", api_key="none", max_retries=0)
        agent = Agent(OpenAIChatModel(case.name, provider=OpenAIProvider(openai_client=client)))
        if not case.stream:
            await agent.run(case.prompt)
            return
        async with agent.run_stream(case.prompt) as response:
            await response.get_output()

    for case in cases():
        if case.operation == "chat" and not case.tool:
            try:
                asyncio.run(ask(case))
            except Exception as error:  # noqa: BLE001 - the framework's own classes, OpenAI's and httpx's
                report_error(case, error)


def anthropic_calls(client: Any) -> None:
    """Every case of Anthropic's API with a client of its SDK."""
    from anthropic import APIError

    for case in cases("anthropic"):
        asked = {"model": case.name, "max_tokens": 100, "messages": [{"role": "user", "content": case.prompt}]}
        try:
            if case.stream:
                with client.messages.stream(**asked) as stream:
                    stream.get_final_message()
            else:
                client.messages.create(**asked)
        except APIError as error:
            report_error(case, error)


def report_error(case: Case, error: Exception) -> None:
    """Expected for a case that must fail; for any other it is an error of the driver."""
    if case.status == "ok":
        raise error


def litellm_call(litellm: Any, case: Case, **asked: Any) -> None:
    """One case with LiteLLM's SDK."""
    asked["model"] = f"openai/{case.name}"
    if case.operation == "embeddings":
        litellm.embedding(input=[case.prompt], **asked)
        return
    if case.tool:
        asked["tools"] = TOOLS
    if case.stream:
        asked["stream"] = True
        if case.usage:
            asked["stream_options"] = {"include_usage": True}
    response = litellm.completion(messages=[{"role": "user", "content": case.prompt}], **asked)
    if case.stream:
        for _chunk in response:
            pass
