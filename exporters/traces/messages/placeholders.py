"""What senders write in place of content that they hide: no content itself.

OpenInference's and Sentry's filters, LiteLLM, Langfuse's masks, Logfire's scrubbing, Claude Code, Google's ADK and
whatever users configure. Only a text that is nothing else is one; our own redaction comes later.
"""

from __future__ import annotations

import re
from typing import Final

from exporters.traces.decode.spans import Value

MOST: Final = 96
_HIDDEN: Final = (
    r"(?:redacted|masked|filtered|scrubbed|elided|hidden|saniti[sz]ed|anonymi[sz]ed|omitted|suppressed|withheld|removed"
    r"|disabled|sensitive|private|(?:not|no[ _]content)[ _](?:captured|recorded|logged|serializable)|no[ _]content"
    r"|object object)"
)
_PHRASE: Final = rf"(?:[A-Za-z0-9']+[ _:-]+){{0,5}}{_HIDDEN}(?:[ _:.-]+[\w'./ =-]*)?"
_PLACEHOLDER: Final = re.compile(
    rf"[\s\"']*(?:\[{{1,2}}\s*{_PHRASE}\s*\]{{1,2}}|<{{1,2}}\s*{_PHRASE}\s*>{{1,2}}|\{{{{1,2}}\s*{_PHRASE}\s*\}}{{1,2}}"
    rf"|\((?:content|prompt|response|text)?\s*{_HIDDEN}\s*\)"
    rf"|([_*#%-])\1+\s*(?:[A-Za-z]+[ _])?{_HIDDEN}\s*\1{{2,}}|[_*#-]redacted[_*#-]"
    r"|(?:content[ _-])?redacted(?:[ _-]by[ _-][\w-]+)?|[*•●█■▓]{3,})[\s\"']*",
    re.IGNORECASE,
)


def hides(text: str) -> bool:
    """Whether a text only says that there was one."""
    return len(text) <= MOST and _PLACEHOLDER.fullmatch(text) is not None


def hides_all(value: Value) -> bool:
    """Whether every text in a value only says that there was one, and there are such texts."""
    found = _texts(value)
    return bool(found) and all(hides(text) for text in found)


def _texts(value: Value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return []
