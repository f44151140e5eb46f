"""The README's generated parts are what the code says."""

from __future__ import annotations

from telltale import reference


def test_the_readme_is_up_to_date() -> None:
    text = reference.README.read_text()
    assert reference.fill(text) == text, "run: python -m telltale.reference"


def test_every_section_has_its_place() -> None:
    text = reference.README.read_text()
    for name in reference.SECTIONS:
        assert text.count(f"<!-- {name}: generated -->") == text.count(f"<!-- {name}: end -->") == 1
