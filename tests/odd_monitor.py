"""A monitor that ends its process, or hangs: for the tests of executors, whose workers import it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from monitors.monitor import Monitor, Terms
from monitors.rows import Comparison, Features, Rows
from telltale.evidence.scores import Finding, WordChanges
from telltale.records import Basis, Direction, Score


@dataclass(frozen=True)
class Odd(Monitor):
    """Ends or hangs in its worker: always, or only the first time, which a file remembers."""

    name: ClassVar[str] = "odd"
    signals: ClassVar[tuple[str, ...]] = ("any",)
    basis: ClassVar[Basis] = "calls"
    directions: ClassVar[tuple[Direction, ...]] = ("prompt",)
    finds: ClassVar[str] = "nothing"
    effect: ClassVar[str] = "none"
    evidence: ClassVar[type[Finding]] = WordChanges

    what: str
    once: str = ""
    in_process: int = 0

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls("")

    def describe(self, rows: Rows, direction: Direction) -> Features:
        return {"nothing": np.zeros((len(rows), 1))}

    def judge(self, comparison: Comparison) -> list[Score]:
        # Never in the process of the tests.
        if os.getpid() != self.in_process and not (self.once and Path(self.once).exists()):
            if self.once:
                Path(self.once).touch()
            if self.what == "ends":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(600)
        return []
