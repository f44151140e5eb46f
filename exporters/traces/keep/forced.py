"""Calls worth keeping beyond the sampling budget: failed ones, and those that a guardrail stopped."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from exporters.traces.calls.call import Call

# What ends a response that a guardrail or a provider's filter stopped: OpenAI, Azure, Bedrock, Anthropic, Gemini. Their
# instrumentations write it as `content-filter` and as `FinishReason.SAFETY` too.
GUARDRAILS: Final = frozenset(
    (
        *("content_filter", "content_filtered", "guardrail_intervened", "refusal", "safety", "image_safety"),
        *("prohibited_content", "image_prohibited_content", "blocklist", "spii", "recitation", "image_recitation"),
        # Genkit, Google's Model Armor, Cohere.
        *("blocked", "model_armor", "error_toxic"),
    )
)


class ForcedReasons:
    """Why a call that was not sampled is kept anyway."""

    def __init__(self) -> None:
        # Most calls end for one reason, which is recognised by identity.
        self._harmless: tuple[str, ...] = ()

    def forced_reason(self, call: Call) -> str | None:
        """`error`, `guardrail`, or None for an ordinary call."""
        if call.status == "error":
            return "error"
        if call.finish_reasons is not self._harmless:
            if any(_is_guardrail(reason) for reason in call.finish_reasons):
                return "guardrail"
            self._harmless = call.finish_reasons
        return None


@lru_cache(maxsize=256)
def _is_guardrail(reason: str) -> bool:
    return reason.rpartition(".")[2].lower().replace("-", "_") in GUARDRAILS
