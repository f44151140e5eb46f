"""What `telltale monitor explain SCORE` prints: the sentence, then every figure behind it, then typical texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from telltale.cli.monitor_lists import named
from telltale.evidence.explanation import Explanation, Measure, Onset, Segments, Theme, Where
from telltale.evidence.scores import Details, dump_details
from telltale.pinning import CannotAsk
from telltale.records import Score
from telltale.store import samples, scores
from telltale.terminal import harmless

LONGEST_TEXT = 300
_STATES: dict[Where, str] = {
    "concentrated": "some stand out",
    "even": "none stands out",
    "too_few": "not known: too few rows show it",
    "unknown": "not known: nothing that is recorded tells the rows apart",
}


def explain(connection: Connection, number: int) -> Iterator[str]:
    """A score in words and figures, line by line. Raises CannotAsk for one that is not there."""
    score = find(connection, number)
    told = score.details.explanation
    yield harmless(told.sentence if told else _why_not(score))
    yield ""
    yield from _score(score)
    if told is not None:
        yield from _explanation(connection, told, score)
    yield from _finding(score)


def as_json(connection: Connection, number: int) -> str:
    """The same as JSON. Raises CannotAsk."""
    score = find(connection, number)
    own = {name: getattr(score, name) for name in Score.__dataclass_fields__ if name != "details"}
    return json.dumps({**own, **dump_details(score.details)}, ensure_ascii=False, indent=2)


def find(connection: Connection, number: int) -> Score:
    """The score of that id. Raises CannotAsk."""
    found = scores.get(connection, [number]).get(number)
    if found is None:
        raise CannotAsk(f"there is no score {number} (any more): `telltale monitor states` lists the newest of each")
    return found


def _why_not(score: Score) -> str:
    if score.effect is not None and score.threshold is not None and score.effect <= score.threshold:
        return "Nothing to explain: the change is not beyond its threshold."
    return "Not known what it is: no explanation is stored with this score."


def _score(score: Score) -> Iterator[str]:
    yield f"series      {harmless(named(score.series))}"
    yield f"monitor     {score.monitor} {score.signal} of the {score.direction}: {score.state}"
    yield f"window      {_at(score.window_start)} to {_at(score.window_end)}, n = {score.samples:,}"
    yield f"effect      {_size(score.effect)}, threshold {_size(score.threshold)}, p {_size(score.p_value)}"
    if score.since is not None:
        yield f"seen since  {_at(score.since)}, the start of the first window that showed it"
    if score.details.reference_id is not None:
        yield f"reference   R-{score.details.reference_id} (`telltale monitor references {harmless(score.model)}`)"
    if score.details.persistence:
        last = score.details.persistence
        yield f"windows     {last.windows_hit} of the last {last.windows_seen} over, {last.windows_needed} needed"
    yield from _trust(score.details)


def _trust(details: Details) -> Iterator[str]:
    if (found := details.interval) is not None:
        bounds = f"{_size(found.lower)} to {_size(found.upper)}"
        yield f"seen        {_size(found.seen)} (95 % interval {bounds}): {harmless(found.what)}"
    if details.false_alarms_a_week is not None:
        yield f"by chance   at most {details.false_alarms_a_week:.2g} alerts a week of this monitor and series"
    if details.method is not None:
        yield f"method      {harmless(details.method)}"


def _explanation(connection: Connection, told: Explanation, score: Score) -> Iterator[str]:
    if told.measure is not None:
        yield from _measure(told.measure)
        yield from _onset(told.onset)
    if told.segments is not None:
        yield from _segments(told.segments, told.measure)
    if told.phrases:
        yield "phrases (share of the rows that show it; of the others)"
        yield from (f"  {harmless(one.phrase)}: {one.share:.1%}; {one.elsewhere:.1%}" for one in told.phrases)
    for theme in told.themes:
        yield from _theme(connection, theme, score)


def _measure(measure: Measure) -> Iterator[str]:
    form = ".1%" if measure.unit == "percent" else ".4g"
    bounds = f"{measure.lower:{form}} to {measure.upper:{form}}"
    yield f"how much    {measure.current:{form}} (95 % interval {bounds}), reference {measure.reference:{form}}"
    yield f"            {harmless(measure.name)}"
    yield (
        f"            n = {measure.rows:,} of {measure.groups:,} conversations or users; "
        f"reference n = {measure.reference_rows:,}"
    )


def _onset(onset: Onset | None) -> Iterator[str]:
    if onset is None:
        yield "began       not known: no moment stands out among the rows that were looked at"
        return
    yield f"began       {_at(onset.at)} (95 % interval {_at(onset.earliest)} to {_at(onset.latest)})"
    yield f"            p {_size(onset.p_value)}, n = {onset.rows:,} since {_at(onset.since)}"


def _segments(segments: Segments, measure: Measure | None) -> Iterator[str]:
    state = _STATES[segments.state]
    yield f"where       {state}; {segments.tested} segments tested, 5 % false discoveries allowed"
    form = ".4g" if measure and measure.unit == "number" else ".1%"
    for one in segments.largest:
        before = "new" if one.reference is None else f"{one.reference:{form}}"
        mark = "* " if one.stands_out else "  "
        yield (
            f"  {mark}{harmless(one.attribute)}={harmless(one.value)}: {_whole(one.share_of_change)} of the change "
            f"({_whole(one.grown)} by its growth), {one.share_of_rows:.0%} of the rows (before "
            f"{one.reference_share_of_rows:.0%}); in it {one.current:{form}} (before {before}), p {_size(one.p_value)}"
        )


def _theme(connection: Connection, theme: Theme, score: Score) -> Iterator[str]:
    yield f"cluster     {harmless(theme.name)} ({theme.turn}): {theme.current:.1%}, reference {theme.reference:.1%}"
    for sample in samples.load(connection, ids=list(theme.ids)) if theme.ids else ():
        text = sample.response if score.direction == "response" else sample.prompt
        yield f"  sample {sample.id}, trace {sample.trace_id}: {_text(text)}"
    yield from (f"  reference: {_text(text)}" for text in theme.texts)


def _finding(score: Score) -> Iterator[str]:
    finding = score.details.finding
    table = finding.table(score.direction) if finding else None
    if table is None:
        return
    yield f"{table.caption} (now; reference; z)"
    form = ".1%" if table.unit == "percent" else ".4g"
    for one in table.changes:
        yield f"  {harmless(one.name)}: {one.current:{form}}; {one.reference:{form}}; {one.z:.3g}"


def _text(text: str) -> str:
    line = harmless(" ".join(text.split()))
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]}…"


def _whole(share: float) -> str:
    """In whole percent; what rounds to nothing has no sign."""
    return f"{round(share, 2) + 0.0:.0%}"


def _size(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g}"


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
