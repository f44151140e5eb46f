"""An Evidently report of one window as HTML, made in a process of its own.

Evidently takes seconds and hundreds of MiB to import and reseeds numpy's global generator, so it never enters the
process that judges. Its numbers are evidence to look at; the decision is the monitors'.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

from telltale.launch import bound

MOST_ROWS = 2000
TIMEOUT_S = 120.0


class Texts(NamedTuple):
    """The texts of a window and of what it is compared with."""

    current: tuple[str, ...]
    reference: tuple[str, ...]


class NoReport(Exception):
    """The report could not be made; the message gives the reason."""


def make(texts: Texts, stop: threading.Event) -> bytes:
    """The report of a window's texts against its reference. Raises NoReport, also once `stop` is set."""
    sides = {"current": texts.current[:MOST_ROWS], "reference": texts.reference[:MOST_ROWS]}
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as html:
        request.write(json.dumps(sides).encode())
        request.seek(0)
        child = subprocess.Popen(
            bound([sys.executable, "-m", "monitors.report"]),
            stdin=request,
            stdout=html,
            stderr=subprocess.DEVNULL,
            # Evidently's user interface reports its use; the library does not, and must not begin to.
            env={**os.environ, "DO_NOT_TRACK": "1"},
        )
        _wait(child, stop)
        html.seek(0)
        return html.read()


def _wait(child: subprocess.Popen[bytes], stop: threading.Event) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while child.poll() is None:
        if stop.wait(0.1) or time.monotonic() > deadline:
            child.kill()
            child.wait()
            raise NoReport("stopped" if stop.is_set() else f"not made within {TIMEOUT_S:.0f} s")
    if child.returncode:
        raise NoReport(f"Evidently ended with code {child.returncode}")


def _render(sides: dict[str, list[str]]) -> str:
    import pandas
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.presets import DataSummaryPreset

    from monitors.descriptors import NAMES, describe

    flags = [name for name in NAMES if name in ("open_end", "question", "code", "link", "refusal")]
    numbers = [name for name in NAMES if name not in flags]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=flags)
    data = {}
    for side, texts in sides.items():
        frame = pandas.DataFrame([describe(text) for text in texts], columns=list(NAMES))
        frame[flags] = frame[flags].astype(int).astype(str)
        data[side] = Dataset.from_pandas(frame, data_definition=definition)
    report = Report(
        [
            # Named for every column: the defaults change with the number of rows.
            *(ValueDrift(column=name, method="ks", threshold=0.01) for name in numbers),
            *(ValueDrift(column=name, method="jensenshannon", threshold=0.1) for name in flags),
            DataSummaryPreset(),
        ]
    )
    html: str = report.run(data["current"], data["reference"]).get_html_str(as_iframe=False)
    return html


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    sys.stdout.write(_render(json.load(sys.stdin)))
