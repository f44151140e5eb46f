"""Make a report in a process of its own, which may take so much time and memory and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from monitors.evidently.columns import readable
from monitors.evidently.exchange import Asked, LeftOut, Made, Numbers, Texts
from telltale.evidence import codec
from telltale.launch import bound

MEMORY_BYTES: Final = 2 << 30
# A page is about 4 MiB long, whatever it is about.
MOST_BYTES: Final = 32 << 20
# Characters of each side's texts.
MOST_CHARACTERS: Final = 20_000_000
ONE_THREAD: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


class NoReport(Exception):
    """The report could not be made; the message gives the reason."""


class Stopped(NoReport):
    """It is not made, because this process ends."""


def make(asked: Asked, stop: threading.Event, timeout: float) -> Made:
    """The report that is asked for. Raises NoReport, Stopped once `stop` is set."""
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as answer:
        request.write(json.dumps(codec.dump(Asked, cleaned(asked))).encode())
        request.seek(0)
        child = subprocess.Popen(
            bound([sys.executable, "-m", "monitors.evidently.child", str(MEMORY_BYTES)]),
            stdin=request,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        try:
            _wait(child, stop, timeout)
        finally:
            # Nothing happens to one that has ended.
            child.kill()
            child.wait()
        answer.seek(0)
        written = answer.read(MOST_BYTES + 1)
    return _read(written)


def cleaned(asked: Asked) -> Asked:
    """The same with texts that can be written down."""
    sides = (tuple(map(readable, side)) for side in (asked.texts.current, asked.texts.reference))
    return replace(asked, texts=Texts(*sides))


def drawn(texts: Texts, most: int) -> tuple[Texts, list[LeftOut]]:
    """At most so many rows of each side, spread evenly over it, and so many characters; says what that leaves out."""
    current, reference = (_fitting(_spread(side, most)) for side in (texts.current, texts.reference))
    left_out = [
        LeftOut(f"{before - len(after)} of {before} rows", f"of the {name}: a report holds fewer")
        for name, before, after in (
            ("window", len(texts.current), current),
            ("reference", len(texts.reference), reference),
        )
        if len(after) < before
    ]
    return Texts(current, reference), left_out


def environment() -> dict[str, str]:
    """This process's, without its settings, among which are secrets.

    Evidently's user interface reports its use; the library does not, and must not begin to.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    return {**inherited, **ONE_THREAD, "DO_NOT_TRACK": "1"}


def _spread(side: Sequence[str], most: int) -> Sequence[str]:
    return side if len(side) <= most else [side[place * len(side) // most] for place in range(most)]


def _fitting(side: Sequence[str]) -> Sequence[str]:
    total = sum(map(len, side))
    return side if total <= MOST_CHARACTERS else _spread(side, max(1, len(side) * MOST_CHARACTERS // total))


def _wait(child: subprocess.Popen[bytes], stop: threading.Event, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while child.poll() is None:
        if stop.wait(0.1) or time.monotonic() > deadline:
            if stop.is_set():
                raise Stopped("stopped")
            raise NoReport(f"not made within {timeout:.0f} s")
    if child.returncode:
        raise NoReport(f"Evidently ended with code {child.returncode}")


def _read(written: bytes) -> Made:
    if len(written) > MOST_BYTES:
        raise NoReport(f"longer than {MOST_BYTES >> 20} MiB")
    first, _, page = written.partition(b"\n")
    try:
        numbers = codec.load(Numbers, json.loads(first))
    except (ValueError, ValidationError) as error:
        raise NoReport("Evidently's answer cannot be read") from error
    return Made(page.decode("utf-8", "replace"), numbers)
