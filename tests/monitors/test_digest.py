"""The fleet's digest: what changed is named, and of what is named few did not change."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from monitors import digest
from telltale.cli import main
from telltale.records import Score
from telltale.store import open_store, scores

NOW = 10 * 86400.0


def score(model: str, p_value: float | None, end: float = NOW, signal: str = "max_t") -> Score:
    return Score(
        monitor="tokens", signal=signal, direction="prompt", model=model, version="v", window_start=end - 3600.0,
        window_end=end, samples=500, state="ok", effect=1.0, threshold=4.0, p_value=p_value,
    )  # fmt: skip


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.sampled_from([0.05, 0.1, 0.2]))
def test_as_many_are_named_as_benjamini_and_hochberg_name(p_values: list[float], share: float) -> None:
    adjusted = false_discovery_control(p_values)
    kept = digest.rejected(sorted(p_values), share)
    # At the very bound the two round differently.
    assert np.count_nonzero(adjusted < share - 1e-9) <= kept <= np.count_nonzero(adjusted <= share + 1e-9)


def test_of_what_is_named_few_did_not_change() -> None:
    """60 days of 200 series, a tenth of which changed; a day has 24 windows that share a reference."""
    random = np.random.default_rng(620_000)
    shares, found = [], []
    for _ in range(60):
        p_values = random.random((200, 24))
        p_values[:20] = np.minimum(1.0, random.exponential(2e-4, (20, 24)) + (random.random((20, 24)) > 0.6))
        named = digest.changed(
            [score(f"{number:03}", float(p)) for number, own in enumerate(p_values) for p in own], NOW
        )
        false = sum(int(one.series.model) >= 20 for one in named)
        shares.append(false / max(1, len(named)))
        found.append(len(named) - false)
    assert np.mean(shares) <= 0.1
    assert np.mean(found) >= 18


def test_only_the_last_day_counts_and_what_was_not_tested_is_not_named() -> None:
    judged = [score("old", 1e-9, NOW - 2 * 86400), score("new", 1e-9), score("none", None), score("quiet", 0.5)]
    named = digest.changed(judged, NOW)
    assert [one.series.model for one in named] == ["new"]
    assert named[0].strongest == judged[1]
    assert digest.changed([], NOW) == []


def test_the_command_lists_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    now = time.time()
    store.write(lambda c: scores.save(c, [score("new", 1e-9, now - 60), score("quiet", 0.5, now - 60)]))
    store.close()
    config = tmp_path / "t.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n[store]\nurl = "sqlite:///{tmp_path / "s.db"}"\n')
    assert main(["--config", str(config), "monitor", "digest"]) == 0
    first, one = capsys.readouterr().out.splitlines()
    assert first.startswith("1 of 2 series changed")
    assert "new v" in one
    assert "tokens max_t of the prompts: ok, score 1" in one
