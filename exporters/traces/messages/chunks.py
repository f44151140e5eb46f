"""Responses that came in pieces, put together: some senders write down the list of a stream's chunks."""

from __future__ import annotations

from itertools import groupby

from exporters.traces.decode.spans import Value

Fields = dict[str, Value]

_BODIES = ("choices", "candidates", "output", "generations", "outputs", "results")
_TEXTS = ("reasoning_content", "reasoning", "content", "refusal")


def whole(items: list[Value]) -> Value:
    """One response out of a list of its chunks, or the first of several responses; None for other lists."""
    found = _dicts(items)
    if not found or len(found) != len(items):
        return None
    if all(isinstance(item.get("type"), str) for item in found):
        # OpenAI's Responses API tells the whole response in the event that ends it.
        return next((item["response"] for item in reversed(found) if isinstance(item.get("response"), dict)), None)
    if all("choices" in item for item in found):
        return _of_deltas([choice for item in found for choice in _dicts(item["choices"])]) or found[0]
    if all("candidates" in item for item in found):
        return _of_candidates([candidate for item in found for candidate in _dicts(item["candidates"])])
    is_body = all("role" not in item and any(isinstance(item.get(name), list) for name in _BODIES) for item in found)
    return found[0] if is_body else None


class _Choice:
    """An answer in the making: the pieces of its texts, and of its calls' arguments."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.calls: dict[str, Fields] = {}
        self.arguments: dict[str, list[str]] = {}
        self.finish_reason: Value = None

    def add(self, delta: Fields) -> None:
        for name in _TEXTS:
            piece = delta.get(name)
            if isinstance(piece, str):
                self.texts.setdefault(name, []).append(piece)
        for call in _dicts(delta.get("tool_calls")):
            at = str(call.get("index"))
            known = self.calls.setdefault(at, {})
            function = call.get("function")
            told = {**call, **(function if isinstance(function, dict) else {})}
            known.update({name: told[name] for name in ("id", "name") if told.get(name) and name not in known})
            if isinstance(told.get("arguments"), str):
                self.arguments.setdefault(at, []).append(str(told["arguments"]))

    def made(self) -> Fields:
        message: Fields = {name: "".join(pieces) for name, pieces in self.texts.items()}
        calls: list[Value] = [
            {**call, "arguments": "".join(self.arguments.get(at, []))} for at, call in self.calls.items()
        ]
        return {"message": {**message, "tool_calls": calls}, "finish_reason": self.finish_reason}


def _of_deltas(choices: list[Fields]) -> Value:
    """OpenAI's chunks, each with the next pieces of its choices; None where they are no pieces."""
    if not any("delta" in choice for choice in choices):
        return None
    found: dict[str, _Choice] = {}
    for choice in choices:
        delta, known = choice.get("delta"), found.setdefault(str(choice.get("index")), _Choice())
        if isinstance(delta, dict):
            known.add(delta)
        known.finish_reason = choice.get("finish_reason") or known.finish_reason
    return {"choices": [known.made() for known in found.values()]}


def _of_candidates(candidates: list[Fields]) -> Value:
    """Gemini's chunks, each with the next parts of its candidates."""
    held: dict[str, list[Fields]] = {}
    made: dict[str, Fields] = {}
    for candidate in candidates:
        index, content = str(candidate.get("index") or 0), candidate.get("content")
        made[index] = {**made.get(index, {}), **candidate}
        if isinstance(content, dict):
            held.setdefault(index, []).extend(_dicts(content.get("parts")))
    return {
        "candidates": [
            {**candidate, "content": {"role": "model", "parts": _joined(held.get(index, []))}}
            for index, candidate in made.items()
        ]
    }


def _joined(parts: list[Fields]) -> list[Value]:
    """Parts, of which pieces of one text are one."""
    found: list[Value] = []
    for is_text, run in groupby(parts, _is_text):
        pieces = list(run)
        found += [{"text": "".join([str(piece["text"]) for piece in pieces])}] if is_text else pieces
    return found


def _is_text(part: Fields) -> bool:
    return part.keys() == {"text"} and isinstance(part["text"], str)


def _dicts(value: Value) -> list[Fields]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
