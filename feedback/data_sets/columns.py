"""The columns of data sets and their types, as `datasets` and Parquet are told them.

Types that `datasets` infers itself are those of a file's first 10 MB: what comes later does not fit them, and answers
that are all dates become times. Messages are lists of JSON objects, for arguments of tools are of another type each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from feedback.data_sets.spec import Format

JSON: Final = "json"
JSONS: Final = "list of json"
"""Types, beside Arrow's names of those that values have."""
_TRAINING: Final = {
    "sft": {"messages": JSONS},
    "dpo": {"prompt": JSONS, "chosen": JSONS, "rejected": JSONS},
    "kto": {"prompt": JSONS, "completion": JSONS, "label": "bool"},
    "reward": {"chosen": JSONS, "rejected": JSONS},
    "prompts": {"prompt": JSONS},
}
PLAIN: Final = {
    **dict.fromkeys(("trace_id", "span_id"), "string"),
    "observed_at": "float64",
    **dict.fromkeys(("tenant", "model", "version", "layer", "operation", "status", "prompt", "response"), "string"),
    "inclusion_probability": "float64",
    **dict.fromkeys(("promoted_by", "conversation_id", "finish_reason", "error_type"), "string"),
    **dict.fromkeys(("duration_s", "ttft_s"), "float64"),
    **dict.fromkeys(("input_tokens", "output_tokens"), "int64"),
    **dict.fromkeys(
        ("app", "environment", "user", "agent_name", "agent_version", "prompt_name", "prompt_version"), "string"
    ),
}
"""Columns of `jsonl` that are fields of a sample."""
SAID: Final = {
    **dict.fromkeys(("system", "messages", "choices", "tools", "documents"), JSONS),
    "omitted": "int64",
}
"""Columns of `jsonl` that are fields of a conversation."""
_EVERYTHING: Final = {**PLAIN, "parameters": JSON, "attributes": JSON, **SAID, "feedback": JSONS}


def types(format: Format, present: Iterable[str]) -> dict[str, str]:
    """Column to type. `tools` is a column of a training set only where a call had some."""
    if format == "jsonl":
        return dict(_EVERYTHING)
    return {**_TRAINING[format], **({"tools": JSONS} if "tools" in set(present) else {})}


def features(types: Mapping[str, str]) -> dict[str, Any]:
    """What `datasets.Features.from_dict` makes types of."""
    return {name: _feature(kind) for name, kind in types.items()}


def card_features(types: Mapping[str, str]) -> list[dict[str, str]]:
    """The same as a dataset card has it, under `dataset_info`."""
    return [{"name": name, **({"list": JSON} if kind == JSONS else {"dtype": kind})} for name, kind in types.items()]


def _feature(kind: str) -> dict[str, Any]:
    if kind == JSONS:
        return {"_type": "List", "feature": {"_type": "Json"}}
    return {"_type": "Json"} if kind == JSON else {"_type": "Value", "dtype": kind}
