"""An Evidently report of one window as HTML, made in a process of its own.

Evidently takes seconds and hundreds of MiB to import and reseeds numpy's global generator, so it never enters the
process that judges. Its numbers are evidence to look at; the decision is the monitors'.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from telltale.records import Window

MOST_ROWS = 2000
TIMEOUT_S = 120.0


def make(window: Window) -> bytes:
    """The report of a window's texts against its reference. Raises subprocess.SubprocessError."""
    sides = {"current": window.texts[:MOST_ROWS], "reference": window.reference_texts[:MOST_ROWS]}
    done = subprocess.run(
        [sys.executable, "-m", "monitors.report"],
        input=json.dumps(sides).encode(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=True,
        # Evidently's user interface would report its use; the library does not, and shall not.
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )
    return done.stdout


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
