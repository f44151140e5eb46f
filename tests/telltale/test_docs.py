"""The README's generated parts match the code."""

from __future__ import annotations

from telltale import docs


def test_the_readme_is_up_to_date() -> None:
    text = docs.README.read_text()
    assert docs.fill(text) == text, "run: python -m telltale.docs"


def test_every_section_has_its_place() -> None:
    text = docs.README.read_text()
    for name in docs.SECTIONS:
        assert text.count(f"<!-- {name}: generated -->") == text.count(f"<!-- {name}: end -->") == 1
