"""The committed dashboards are the ones that the code generates."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from dashboards.build import FOLDER, render
from telltale.settings import Settings

ROOT = Path(__file__).parents[2]


def test_committed_files_are_what_the_code_makes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dashboards.build", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_no_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(render("http://x"))


def test_pages_are_linked_where_the_settings_say() -> None:
    settings = Settings.model_validate({"web": {"public_url": "https://telltale.example/"}})
    for text in render(settings.web_url).values():
        links = [link["url"] for link in json.loads(text)["links"]]
        assert "https://telltale.example/" in links
