"""What every test may need: real components, or a clear word on how to get them."""

from __future__ import annotations

import os

import pytest


def require(present: object, how: str) -> None:
    """Skip with `how` when a real component is missing; fail instead where `CI=true`, so that CI never tests less."""
    if present:
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"missing in CI: {how}")
    pytest.skip(how)
