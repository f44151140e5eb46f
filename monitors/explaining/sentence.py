"""An explanation in one or two plain sentences. What was not tested is not claimed; what is not known is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from monitors.explaining.segments import OUTCOMES
from monitors.mark import Mark
from telltale.evidence.explanation import Measure, Onset, Segment, Segments
from telltale.evidence.scores import Change, Finding
from telltale.records import Score

LONGEST: Final = 600
LONGEST_NAME: Final = 60
MOST_CHANGES: Final = 3
MOST_ATTRIBUTES: Final = 5
# Shorter intervals are written with seconds.
SECONDS_BELOW: Final = 600.0
_NOUNS: Final = {"prompt": "prompts", "response": "responses", "feedback": "votes"}
# What steers a terminal, turns the order of letters around, or is no character.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]+"
)


def of_mark(score: Score, mark: Mark, measure: Measure, onset: Onset | None, segments: Segments) -> str:
    """What the mark of single rows tells."""
    nouns = _NOUNS[score.direction]
    lead = f"{mark.lead}: " if mark.lead else ""
    return _cut(f"{when(score, onset)} {lead}{_amount(measure, nouns)}. {''.join(_where(segments, measure, nouns))}")


def of_finding(score: Score, finding: Finding | None) -> str:
    """What a finding's table tells, where single rows do not."""
    table = finding.table(score.direction) if finding else None
    if table is None or not table.changes:
        size = (
            f"{score.effect:.3g}, the threshold is {score.threshold:.3g}" if score.effect is not None else "not known"
        )
        return _cut(
            f"{when(score, None)} the {_NOUNS[score.direction]} differ from the reference: the effect is {size}."
        )
    changes = (_change(one, table.unit == "percent") for one in table.changes[:MOST_CHANGES])
    return _cut(f"{when(score, None)} {table.caption[0].lower()}{table.caption[1:]}: {'; '.join(changes)}.")


def when(score: Score, onset: Onset | None) -> str:
    """Since when, as far as that is known."""
    if onset is not None:
        is_short = onset.latest - onset.earliest < SECONDS_BELOW
        day = _day(onset.at)
        # The date once, unless they differ.
        one, *bounds = (_clock(at, is_short) if _day(at) == day else f"{_day(at)} {_clock(at, is_short)}"
                        for at in (onset.at, onset.earliest, onset.latest))  # fmt: skip
        return f"Since {day} {one} UTC ({bounds[0]} to {bounds[1]})"
    if score.since is not None and score.since < score.window_start:
        return f"At least since {_day(score.since)} {_clock(score.since)} UTC (when it began is not known)"
    start, end = score.window_start, score.window_end
    until = _clock(end, end - start < SECONDS_BELOW) if _day(end) == _day(start) else f"{_day(end)} {_clock(end)}"
    begin = f"{_day(start)} {_clock(start, end - start < SECONDS_BELOW)}"
    return f"From {begin} to {until} UTC (when it began is not known)"


def percent(share: float) -> str:
    """A share with as many digits as are read."""
    size = 100 * share
    return f"{size:.0f} %" if abs(size) >= 10 or size == 0 else f"{size:.1f} %"


def number(size: float) -> str:
    return f"{size:,.0f}" if abs(size) >= 1000 else f"{size:.3g}"


def name(text: str) -> str:
    """A name from outside, on one line, of bounded length."""
    plain = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 1]}\u2026"


def listed(names: Sequence[str], last: str = "and") -> str:
    """a, b and c."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def _amount(measure: Measure, nouns: str) -> str:
    chance = measure.lower <= measure.reference <= measure.upper
    alone = "; by itself that could be chance" if chance else ""
    if measure.unit == "percent":
        lower, upper = percent(measure.lower).removesuffix(" %"), percent(measure.upper)
        before = "none" if measure.reference == 0 else percent(measure.reference)
        bounds = f"{lower} to {upper}; before {before}{alone}"
        return f"about {percent(measure.current)} of the {nouns} ({bounds}) {measure.name}"
    bounds = f"{number(measure.lower)} to {number(measure.upper)}; before {number(measure.reference)}{alone}"
    return f"the {nouns} have on average {number(measure.current)} {measure.name} ({bounds})"


def _where(segments: Segments, measure: Measure, nouns: str) -> Iterable[str]:
    change = "rise" if measure.current >= measure.reference else "fall"
    if segments.state == "unknown":
        yield f"Where it comes from is not known: nothing that is recorded of the {nouns} tells them apart."
        return
    if segments.state == "even":
        asked = [name(one).replace("_", " ") for one in segments.told_apart[:MOST_ATTRIBUTES]]
        yield f"No {listed(asked, 'or')} stands out."
        return
    if segments.state == "too_few":
        yield f"Too few {nouns} show it to tell where it comes from."
        return
    found = [one for one in segments.largest if one.stands_out]
    places = [one for one in found if one.attribute not in OUTCOMES] or found
    first = places[0]
    yield f"{_part(first)} of the {change} comes from {_segment(first, nouns)}"
    other = next((one for one in places[1:] if one.attribute != first.attribute), None)
    yield f", {_part(other).lower()} from {_segment(other, nouns)}." if other else "."


def _part(segment: Segment) -> str:
    return "All" if segment.share_of_change >= 0.995 else percent(segment.share_of_change)


def _segment(segment: Segment, nouns: str) -> str:
    new = ", new" if segment.reference is None else ""
    return f"{_attribute(segment)} ({percent(segment.share_of_rows)} of all {nouns}{new})"


def _attribute(segment: Segment) -> str:
    value = name(segment.value)
    # A value of several words could be taken for what we say.
    value = value if re.fullmatch(r"[\w./:@+-]+", value) else f"\u201c{value}\u201d"
    return f"{name(segment.attribute).replace('_', ' ')} {value}"


def _change(change: Change, is_share: bool) -> str:
    size = percent if is_share else number
    return f"{name(change.name)} {size(change.current)} (before {size(change.reference)})"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%-d %b}"


def _clock(at: float, seconds: bool = False) -> str:
    return f"{datetime.fromtimestamp(at, UTC):{'%H:%M:%S' if seconds else '%H:%M'}}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026"
