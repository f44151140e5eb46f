"""What an embedder is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class NoVectors(Exception):
    """Vectors could not be made now; the message says why, without the texts."""


class Embedder(Protocol):
    """Makes vectors of texts. Used by one thread."""

    @property
    def space(self) -> str:
        """Names all that vectors depend on, in at most 64 characters: those of another space are not compared."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text, of any length. Raises NoVectors."""

    def close(self) -> None:
        """Give back what it holds; the next `embed` begins anew."""
