"""The language of a prompt, as far as its script tells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.conversation import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do I return my order?", "latin"),
        ("Où est ma commande ?", "latin"),
        ("주문을 어떻게 반품하나요?", "ko"),
        ("GPU exporter 설치 방법을 알려 주세요", "ko"),
        ("Please translate 김치 into English for the menu of our restaurant", "latin"),
        ("注文を返品するにはどうすればいいですか", "ja"),
        ("如何退货", "zh"),
        ("Как вернуть заказ?", "cyrillic"),
        ("12345 !?", None),
        ("", None),
    ],
)
def test_a_script_tells_the_language(text: str, expected: str | None) -> None:
    assert language.of(text) == expected


@given(st.text(max_size=600))
def test_every_text_has_a_short_name_or_none(text: str) -> None:
    found = language.of(text)
    assert found is None or 2 <= len(found) <= 16
