"""The Evidently report: made in its own process, from redacted texts, and dropped when the service stops."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from monitors import report


def window(rows: int = 80) -> report.Texts:
    texts = tuple(f"How do I reset item {n}?" for n in range(rows))
    return report.Texts(texts, texts[::-1])


def test_the_report_is_html_of_our_descriptors() -> None:
    html = report.make(window(), threading.Event())
    assert b"<html" in html[:2000].lower()
    assert b"word_length" in html
    assert b"reset item" not in html, "descriptors only: no prompt is copied into the report"


def test_it_stops_as_soon_as_it_is_asked_to() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(report.NoReport, match="stop"):
        report.make(window(), stop)


def test_the_process_that_judges_never_imports_evidently() -> None:
    code = "import sys, monitors.serve; print('evidently' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
