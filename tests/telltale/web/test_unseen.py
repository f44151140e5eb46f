"""What nobody sees is shown by its number on every page; what scripts and emoji need stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from telltale.web.pages import make_templates
from telltale.web.unseen import visible

ENVIRONMENT = make_templates([], lambda: 0.0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoice\u202egnp.exe", "invoice[U+202E]gnp.exe"),
        ("pa\u200bss", "pa[U+200B]ss"),
        ("a\u200d\u200db", "a[U+200D][U+200D]b"),
        ("\u2067evil\u2069", "[U+2067]evil[U+2069]"),
        ("\x1b[2J\x07", "[U+001B][2J[U+0007]"),
        ("hi\U000e0049\U000e0067", "hi[U+E0049][U+E0067]"),
        ("blank\u3164", "blank[U+3164]"),
        ("soft\xadhyphen", "soft[U+00AD]hyphen"),
    ],
)
def test_what_nobody_sees_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    ["line\n\tnext\r\n", "👩‍💻 ❤️‍🔥", "می‌خواهم", "क्‍ष", "한국어 中文 عربي עברית é", "naïve\u00a0word"],
)
def test_what_a_script_needs_stays(text: str) -> None:
    assert visible(text) == text


def test_markup_and_numbers_are_left_alone() -> None:
    assert visible(Markup("<b>\u202e</b>")) == "<b>\u202e</b>"
    assert visible(3) == 3


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_no_page_holds_a_directional_control(text: str) -> None:
    page = ENVIRONMENT.from_string('<p title="{{ text }}">{{ text }}</p>').render(text=text)
    directional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not {unicodedata.bidirectional(character) for character in page} & directional
