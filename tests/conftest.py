"""What every test may need: real components, or a clear word on how to get them."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """`require(present, how)` skips with `how` when a real component is missing.

    Where `CI=true` it fails instead, so that CI never tests less than it says.
    """

    def check(present: object, how: str) -> None:
        if present:
            return
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"missing in CI: {how}")
        pytest.skip(how)

    return check
