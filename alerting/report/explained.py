"""What explains a score, as tables and quotes of a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from telltale.evidence.explanation import Explanation, Measure, Segments
from telltale.records import Direction, Sample
from telltale.web.pages import ABSENT, number, percent, written

NOUNS: Final[Mapping[Direction, str]] = {"prompt": "prompts", "response": "responses", "feedback": "votes"}

Table = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]
"""A title, the heads, and rows of texts."""


def tables(explanation: Explanation, direction: Direction, may_read: bool) -> Iterable[Table]:
    """Its figures; phrases only for those who may read what people wrote."""
    nouns = NOUNS[direction]
    if explanation.measure is not None:
        yield _how_much(explanation, explanation.measure, nouns)
    if explanation.segments is not None and explanation.segments.largest:
        yield _where(explanation.segments, explanation.measure, nouns)
    if explanation.themes:
        rows = tuple((one.name, one.turn, percent(one.current), percent(one.reference)) for one in explanation.themes)
        yield f"What these {nouns} are about", ("Words of the cluster", "Turn", "Now", "Reference"), rows
    if explanation.phrases and may_read:
        phrases = tuple((one.phrase, percent(one.share), percent(one.elsewhere)) for one in explanation.phrases)
        yield f"Phrases of these {nouns}", ("Phrase", f"Of these {nouns}", "Of the others"), phrases


def quotes(explanation: Explanation, found: Mapping[int, Sample], direction: Direction) -> Iterable[tuple[str, str]]:
    """Typical texts of each cluster with what they are, as far as they are kept."""
    for theme in explanation.themes:
        title = f"Typical of {theme.name} ({theme.turn})"
        kept = [found[number_] for number_ in theme.ids if number_ in found]
        yield from ((title, one.response if direction == "response" else one.prompt) for one in kept)
        yield from ((title, text) for text in theme.texts)


def public(explanation: Explanation, stored: Mapping[str, object]) -> dict[str, object]:
    """What everybody may know of it, of its stored form: neither phrases nor texts nor whose they are."""
    themes = [
        {"name": one.name, "turn": one.turn, "current": one.current, "reference": one.reference}
        for one in explanation.themes
    ]
    return {**{name: value for name, value in stored.items() if name != "phrases"}, "themes": themes}


def _how_much(explanation: Explanation, measure: Measure, nouns: str) -> Table:
    size = percent if measure.unit == "percent" else number
    onset = explanation.onset
    began = f"{written(onset.at)} ({written(onset.earliest)} to {written(onset.latest)})" if onset else "not known"
    heads = ("What", "Now (95 % interval)", "Reference", nouns.capitalize(), "Independent", "Began (95 % interval)")
    row = (
        *(measure.name, f"{size(measure.current)} ({size(measure.lower)} to {size(measure.upper)})"),
        *(size(measure.reference), number(measure.rows), number(measure.groups), began),
    )
    return "How much, and since when", heads, (row,)


def _where(segments: Segments, measure: Measure | None, nouns: str) -> Table:
    size = number if measure and measure.unit == "number" else percent
    heads = ("Segment", "Stands out", "Of the change", f"Of the {nouns} (before)", "In it now (before)", "p")
    rows = tuple(
        (
            *(f"{one.attribute}: {one.value}", "yes" if one.stands_out else "no", percent(one.share_of_change)),
            f"{percent(one.share_of_rows)} ({percent(one.reference_share_of_rows)})",
            f"{size(one.current)} ({ABSENT if one.reference is None else size(one.reference)})",
            number(one.p_value),
        )
        for one in segments.largest
    )
    return f"Where it comes from ({segments.tested} segments looked at)", heads, rows
