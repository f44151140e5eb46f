"""One model under several names: with and without its vendor, its region, its date."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# `models/`, `openai/`, `publishers/google/models/`, a Bedrock ARN's resource: whose it is, not which.
_PATH: Final = re.compile(r".*/")
# Bedrock's `us.anthropic.claude-…-v1:0`: region, vendor, revision of the offer.
_REGION: Final = re.compile(r"^(?:us|eu|apac|jp|au|ca|sa|global|us-gov)\.")
_VENDOR: Final = re.compile(
    r"^(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|"
    r"stability|twelvelabs|writer)\."
)
_OFFER: Final = re.compile(r"-v\d+(?::\d+)?$")
_LATEST: Final = re.compile(r"[-:]latest$")
# `-2024-08-06`, `-20250929`, `@20250929`, `-08-2024`, `-05-20`, `-0613`, `-002`.
_DATE: Final = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{2}-\d{4}|\d{2}-\d{2}|\d{4}|\d{3})$")


def may_be_one(first: str | None, second: str | None) -> bool:
    """Whether two names may be one model's: names of two dates are two models', and a missing name is anyone's."""
    if first is None or second is None or first == second:
        return True
    stem, date = _parts(first)
    other, other_date = _parts(second)
    return stem == other and (not date or not other_date or date == other_date)


@lru_cache(maxsize=4096)
def _parts(name: str) -> tuple[str, str]:
    """What a model is called by all who offer it, and its date; the latter is empty where the name has none."""
    name = _PATH.sub("", name.strip().lower())
    name = _VENDOR.sub("", _REGION.sub("", name))
    name = _LATEST.sub("", _OFFER.sub("", name))
    found = _DATE.search(name)
    if found is None:
        return name, ""
    return name[: found.start()], found.group(1).replace("-", "")
